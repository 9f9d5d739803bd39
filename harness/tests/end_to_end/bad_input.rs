//! What is wrong is named, and the rest goes on.

use std::fs;
use std::path::{Path, PathBuf};

use rollover_lab::lab::Lab;
use rollover_lab::scenario::Site;

use crate::support::{Outcome, live_file, options, site, task_ids};

/// A file that is put back when this value goes away.
struct Spoilt {
    file: PathBuf,
    whole: Vec<u8>,
}

impl Spoilt {
    fn with(file: &Path, content: impl AsRef<[u8]>) -> Result<Self, std::io::Error> {
        let whole = fs::read(file)?;
        fs::write(file, content)?;
        Ok(Self {
            file: file.to_owned(),
            whole,
        })
    }
}

impl Drop for Spoilt {
    fn drop(&mut self) {
        let _ = fs::write(&self.file, &self.whole);
    }
}

/// A certificate file that is empty, half written, or whose key is another's
/// is never rolled out, forced or not.
pub(crate) async fn files_that_must_not_be_served(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    let (tasks, served) = (task_ids(&site).await?, site.served().await?);
    let (chain, key) = (
        live_file(&site, "fullchain.pem"),
        live_file(&site, "privkey.pem"),
    );
    let whole = fs::read(&chain)?;
    let other_key = rcgen::KeyPair::generate()?.serialize_pem().into_bytes();
    for (file, content, expected) in [
        (&chain, Vec::new(), "fullchain.pem is empty"),
        (
            &chain,
            whole[..whole.len() / 2].to_vec(),
            "fullchain.pem is not whole",
        ),
        (&key, other_key, "privkey.pem is not the key of"),
    ] {
        let _spoilt = Spoilt::with(file, content)?;
        let once = site.once(&["--force", "example.org"]).await?;
        assert_eq!(once.output.code, 1, "{:?}", once.output);
        let errors = once.errors().join("\n");
        assert!(
            errors.contains(expected),
            "expected {expected:?} in: {errors}"
        );
        assert!(errors.contains("certificate example.org"), "{errors}");
        let report = once.report.expect("a report");
        assert!(
            report.certificates.is_empty() && report.rollouts.is_empty(),
            "{report:?}"
        );
    }
    assert_eq!(task_ids(&site).await?, tasks);
    assert_eq!(site.served().await?, served);
    Ok(())
}

/// A wrong label takes its service out, by name; a wrong setting ends with 2.
pub(crate) async fn labels_and_settings(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    label(&site, "rollover.probe=https").await?;
    let once = site.once(&[]).await?;
    label(&site, "rollover.probe=443").await?;
    assert_eq!(once.output.code, 1, "{:?}", once.output);
    let expected =
        "service patch_loadbalancer: label rollover.probe=\"https\": expected a TCP port";
    let errors = once.errors().join("\n");
    assert!(errors.contains(expected), "{errors}");

    for (arguments, expected) in [
        (
            ["--schedule", "every night"],
            "--schedule / ROLLOVER_SCHEDULE: \"every night\" is not a schedule",
        ),
        (
            ["--time-zone", "Mars/Olympus"],
            "--time-zone / ROLLOVER_TIME_ZONE: \"Mars/Olympus\"",
        ),
        (
            ["--docker-host", "localhost"],
            "--docker-host / ROLLOVER_DOCKER_HOST: \"localhost\"",
        ),
        (
            ["--docker-host", "unix:///nowhere"],
            "cannot reach the Docker engine at unix:///nowhere",
        ),
        (
            ["--acme-directory", "nowhere"],
            "--acme-directory / ROLLOVER_ACME_DIRECTORY: \"nowhere\"",
        ),
        (
            ["--acme-ca-file", "/etc/other.pem"],
            "--acme-ca-file / ROLLOVER_ACME_CA_FILE",
        ),
        (
            ["--check-interval", "soon"],
            "expected a duration such as 30s",
        ),
    ] {
        for command in ["run", "once", "plan"] {
            let output = site
                .rollover(&[&[command], &arguments[..]].concat())
                .await?;
            assert_eq!(output.code, 2, "{command} {arguments:?}: {output:?}");
            assert!(
                output.stderr.contains(expected),
                "{command} {arguments:?}: {output:?}"
            );
        }
    }
    Ok(())
}

async fn label(site: &Site<'_>, label: &str) -> Outcome {
    let update = [
        "docker",
        "service",
        "update",
        "--detach",
        "--label-add",
        label,
        "patch_loadbalancer",
    ];
    let output = site.lab().manager().exec(&update).await?;
    assert!(output.success(), "{output:?}");
    Ok(())
}
