//! Certificate files that must not be served.

use std::path::PathBuf;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};
use crate::volume::Files;

/// A certificate file that is empty, half written, or whose key is another's is
/// never rolled out, forced or not.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "bad-input/files",
    about: "A certificate file that is empty, half written, or whose key is another's is never \
            rolled out, forced or not, and the error says which it is.",
    control: Control {
        wrong: "the files are as they should be",
        found_by: &[Kind::Accepted],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let before = site.seen().await?;
    let (chain, key) = (
        site.live_file("fullchain.pem")?,
        site.live_file("privkey.pem")?,
    );
    let files = stage.lab().volume().certificates();
    let (whole, whole_key) = (files.read(&chain)?, files.read(&key)?);
    let half = whole[..whole.len() / 2].to_vec();
    let other_key = rcgen::KeyPair::generate().map_err(crate::lab::LabError::from)?;
    let wrong = [
        (&chain, Vec::new(), "fullchain.pem is empty"),
        (&chain, half, "fullchain.pem is not whole"),
        (
            &key,
            other_key.serialize_pem().into_bytes(),
            "privkey.pem is not the key of",
        ),
    ];
    for (file, content, expected) in wrong {
        let right = if file == &key { &whole_key } else { &whole };
        let content = if stage.is_control() { right } else { &content };
        let _spoilt = Spoilt::with(&files, file.clone(), content)?;
        refused(stage, &site, expected).await?;
        if stage.is_control() {
            return Ok(());
        }
    }
    stage.untouched(&site, &before).await
}

async fn refused(stage: &Stage<'_>, site: &Site<'_>, expected: &str) -> Result<(), SiteError> {
    let once = site.once(&["--force", &site.options().domain]).await?;
    stage.check(once.output.code == 1, Kind::Accepted, || {
        format!("expected exit code 1 ({expected}), found {once}")
    });
    let errors = once.errors().join("\n");
    for part in [expected, "certificate example.org"] {
        stage.check(errors.contains(part), Kind::Unclear, || {
            format!("expected an error with {part:?}, found: {errors}")
        });
    }
    let nothing_done = once
        .report
        .as_ref()
        .is_some_and(|report| report.certificates.is_empty() && report.rollouts.is_empty());
    stage.check(nothing_done, Kind::Accepted, || {
        format!("expected nothing to be done, found {once}")
    });
    Ok(())
}

/// A file that is put back when this value goes away.
struct Spoilt {
    files: Files,
    file: PathBuf,
    whole: Vec<u8>,
}

impl Spoilt {
    fn with(files: &Files, file: PathBuf, content: &[u8]) -> Result<Self, SiteError> {
        let whole = files.read(&file)?;
        files.write(&file, content)?;
        Ok(Self {
            files: files.clone(),
            file,
            whole,
        })
    }
}

impl Drop for Spoilt {
    fn drop(&mut self) {
        if let Err(error) = self.files.write(&self.file, &self.whole) {
            tracing::error!(%error, "a certificate file was not put back");
        }
    }
}
