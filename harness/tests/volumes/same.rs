//! What one writes, all see.

use rollover_lab::lab::{Lab, wait::until};
use rollover_lab::volume::Volume;

use super::{SOON, lab, nothing_is_left_of, shell};

#[tokio::test(flavor = "multi_thread")]
async fn bind_shows_all_nodes_what_one_writes() {
    let lab = lab(2, Volume::Bind).await;
    one_writes_and_all_see(&lab).await;
    nothing_is_left_of(lab);
}

#[tokio::test(flavor = "multi_thread")]
async fn gluster_shows_all_nodes_what_one_writes() {
    let lab = lab(2, Volume::Gluster).await;
    one_writes_and_all_see(&lab).await;
    nothing_is_left_of(lab);
}

async fn one_writes_and_all_see(lab: &Lab) {
    for writer in lab.nodes() {
        let write = r#"mkdir -p archive live && printf %s "$(hostname)" >"archive/$(hostname)" \
            && ln -s "../archive/$(hostname)" live/"$(hostname)""#;
        shell(writer, write).await;
        let link = format!("live/{}", writer.name());
        for reader in lab.nodes() {
            let what = format!("{} see what {} wrote", reader.name(), writer.name());
            until(what, SOON, async || {
                let files = lab.volume().seen_by(reader);
                let read = files.read_text(&link).map_err(|e| format!("{e:?}"))?;
                if read == writer.name() {
                    return Ok(());
                }
                Err(format!("it reads {read:?}"))
            })
            .await
            .unwrap();
        }
    }
    this_machine_writes_too(lab).await;
}

async fn this_machine_writes_too(lab: &Lab) {
    let files = lab.volume().certificates();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    files.write("archive/bytes", &content).unwrap();
    assert_eq!(files.read("archive/bytes").unwrap(), content);
    files.write("archive/bytes", "").unwrap();
    assert_eq!(files.read("archive/bytes").unwrap(), b"");
    let link = files.resolve("live/node-1").unwrap();
    assert_eq!(link.to_str(), Some("archive/node-1"));
    let listed = files.list("archive").unwrap();
    let mut names: Vec<_> = listed.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["bytes", "node-1", "node-2"]);
    assert!(listed.iter().all(|entry| entry.modified.as_second() > 0));
    files.remove("archive").unwrap();
    assert!(!files.exists("archive").unwrap());
    assert!(files.exists("live/node-1").unwrap(), "a link to nowhere");
    let error = files.read("live/node-1").unwrap_err();
    assert!(error.to_string().contains("live/node-1"), "{error:?}");
}
