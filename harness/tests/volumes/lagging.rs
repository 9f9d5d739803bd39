//! What each node sees of a change on a volume that lags, and in which order.

use std::time::Duration;

use rollover_lab::lab::{Lab, wait::until};
use rollover_lab::volume::{Lagging, Volume};

use super::{SOON, lab, nothing_is_left_of, shell};

/// An eighth of it is for how long each thing is there to be seen, by a shell that has
/// two busy processors.
const DELAY: Duration = Duration::from_secs(4);
const ON_NODE_3: Duration = Duration::from_secs(6);
const WHOLE: usize = 400;

/// Writes down what `live/chain.pem` is each time when it is something else,
/// with the time: whether its link is there, and how long its file is. It ends
/// when the file is whole.
fn watch() -> String {
    format!(
        r#"last=; while :; do
            link=$(readlink live || echo none)
            size=$(stat -Lc %s live/chain.pem 2>/dev/null || echo none)
            if [ "$link $size" != "$last" ]; then
                last="$link $size"; echo "$(date +%s.%N) $last"
            fi
            [ "$size" = {WHOLE} ] && exit
        done"#
    )
}

/// One thing that was seen.
#[derive(Debug)]
struct Seen {
    at: f64,
    link: String,
    size: Option<usize>,
}

fn read(line: &str) -> Seen {
    let mut words = line.split(' ');
    let at = words.next().unwrap().parse().unwrap();
    Seen {
        at,
        link: words.next().unwrap().to_owned(),
        size: words.next().unwrap().parse().ok(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_sees_a_link_an_empty_a_short_and_a_whole_file_and_not_too_soon() {
    let volume = Lagging::after(DELAY).on(3, ON_NODE_3).at_once("webroot");
    let lab = lab(3, Volume::Lagging(volume)).await;
    let nodes = lab.nodes();
    let script = watch();
    let (written, second, third) = tokio::join!(
        write_once_watched(&lab),
        shell(&nodes[1], &script),
        shell(&nodes[2], &script)
    );
    for (watched, delay) in [(second, DELAY), (third, ON_NODE_3)] {
        let seen: Vec<Seen> = watched.lines().map(read).collect();
        let sizes: Vec<_> = seen.iter().map(|seen| (&*seen.link, seen.size)).collect();
        assert_eq!(
            sizes,
            [
                ("none", None),
                ("archive/2", None),
                ("archive/2", Some(0)),
                ("archive/2", Some(WHOLE / 2)),
                ("archive/2", Some(WHOLE)),
            ]
        );
        let first = seen[1].at - written;
        assert!(
            first >= delay.as_secs_f64(),
            "seen after {first} s: {seen:?}"
        );
    }
    assert_eq!(
        lab.volume()
            .seen_by(&nodes[2])
            .list("archive")
            .unwrap()
            .len(),
        1
    );
    at_once(&lab).await;
    nothing_is_left_of(lab);
}

/// Writes what is watched, and says when.
async fn write_once_watched(lab: &Lab) -> f64 {
    let manager = lab.manager();
    for node in &lab.nodes()[1..] {
        let what = format!("{} be watched", node.name());
        until(what, SOON, async || {
            let running = node.exec(&["pgrep", "-f", "chain.pem"]).await;
            let running = running.map_err(|error| error.to_string())?;
            running
                .success()
                .then_some(())
                .ok_or_else(|| "it is not".to_owned())
        })
        .await
        .unwrap();
    }
    let write = format!(
        "date +%s.%N; mkdir -p archive/2; head -c {WHOLE} /dev/zero >archive/2/chain.pem; \
         ln -s archive/2 live"
    );
    shell(manager, &write).await.trim().parse().unwrap()
}

/// What an authority asks for is there at once, whoever wrote it.
async fn at_once(lab: &Lab) {
    for writer in lab.nodes() {
        shell(writer, "mkdir -p webroot/a && hostname >webroot/a/token").await;
        for reader in lab.nodes() {
            let read = shell(reader, "cat webroot/a/token").await;
            assert_eq!(read.trim(), writer.name());
            let files = lab.volume().seen_by(reader);
            assert_eq!(files.read_text("webroot/a/token").unwrap(), read);
        }
    }
}
