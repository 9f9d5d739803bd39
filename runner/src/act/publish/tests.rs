//! What readers see, and what a crash leaves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::act::issue::prepare_placeholder;
use crate::model::{DomainName, Named, Pair, tests::pair};
use crate::observe::files::{self, published};

const NAME: &str = "example.org";

struct Root {
    directory: TempDir,
    name: CertificateName,
}

impl Root {
    fn new() -> Self {
        let domain = DomainName::parse(NAME).unwrap();
        Self {
            directory: tempfile::tempdir().unwrap(),
            name: CertificateName::of(&domain),
        }
    }

    /// As certbot lays a lineage out, in its version `number`; chain and key.
    fn with_certbot_s(number: u64) -> (Self, (String, String)) {
        let root = Self::new();
        let made = pair(&[NAME]);
        for kind in ["cert", "chain", "fullchain", "privkey"] {
            let content = if kind == "privkey" { &made.1 } else { &made.0 };
            root.write(&format!("archive/{NAME}/{kind}{number}.pem"), content);
            let link = root.live(&format!("{kind}.pem"));
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(format!("../../archive/{NAME}/{kind}{number}.pem"), link).unwrap();
        }
        (root, made)
    }

    /// The same where certbot has taken over a placeholder: `live/NAME` is a link.
    fn with_certbot_s_after_a_placeholder(number: u64) -> (Self, (String, String)) {
        let (root, made) = Self::with_certbot_s(number);
        let (live, lineage) = (root.path(&format!("live/{NAME}")), root.lineage());
        fs::rename(&live, &lineage).unwrap();
        symlink(lineage.file_name().unwrap(), &live).unwrap();
        (root, made)
    }

    fn lineage(&self) -> PathBuf {
        self.path(&format!("live/.{NAME}.lineage"))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn live(&self, file: &str) -> PathBuf {
        self.path(&format!("live/{NAME}")).join(file)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn publisher(&self) -> Publisher<'_> {
        Publisher::new(self.directory.path(), &self.name, 3)
    }

    /// On a file system that cannot exchange, as GlusterFS says it.
    fn without_exchange(&self) -> Publisher<'_> {
        Publisher {
            exchange: |_, _| Err(Errno::INVAL.into()),
            ..self.publisher()
        }
    }

    fn served(&self) -> Leaf {
        let published = published(self.directory.path(), &self.name);
        published.leaf().cloned().unwrap()
    }

    /// What lies in the archive, and beside `live/NAME`, that nothing needs.
    fn leftovers(&self) -> Vec<String> {
        let names = |path: &str| -> Vec<String> {
            let entries = fs::read_dir(self.path(path)).into_iter().flatten();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.map(|name| name.into_string().unwrap()).collect()
        };
        let hidden = |name: &String| name.starts_with('.') && !name.contains(".before-");
        let all = [
            names(&format!("archive/{NAME}")),
            names("live"),
            names(&format!("live/{NAME}")),
        ];
        all.concat().into_iter().filter(hidden).collect()
    }
}

fn publish(publisher: &Publisher<'_>) -> Version {
    let (chain, key) = pair(&[NAME]);
    let content = Content {
        chain: &chain,
        key: &key,
    };
    publisher.publish(&content).unwrap()
}

fn is_pair(chain: &[u8], key: &[u8]) -> bool {
    let named = |content| Named {
        file: "it",
        content,
    };
    Pair::check(&named(chain), &named(key)).is_ok()
}

#[test]
fn a_version_is_whole_and_its_keys_are_its_owner_s() {
    let root = Root::new();
    let version = publish(&root.publisher());
    assert_eq!(version.number, 1);
    assert_eq!(root.served(), version.leaf);
    let target = fs::read_link(root.path(&format!("live/{NAME}"))).unwrap();
    assert_eq!(target, Path::new("../archive/example.org/1"));
    let mode = |file| fs::metadata(root.live(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("privkey.pem"), 0o600);
    assert_eq!(mode("combined.pem"), 0o600);
    assert_eq!(mode("fullchain.pem"), 0o644);
    let combined = fs::read(root.live("combined.pem")).unwrap();
    assert!(is_pair(&combined, &combined));
    assert!(root.leftovers().is_empty());
}

#[test]
fn leaf_and_issuers_are_told_apart() {
    let root = Root::new();
    let ([leaf, middle, _], key) = crate::model::signed_chain(NAME);
    let pem = |der: &[u8]| pem_of(der);
    let (leaf, middle) = (pem(&leaf), pem(&middle));
    let (chain, key) = (format!("{leaf}\n{middle}"), key.serialize_pem());
    let content = Content {
        chain: &chain,
        key: &key,
    };
    root.publisher().publish(&content).unwrap();
    let read = |file| fs::read_to_string(root.live(file)).unwrap();
    assert_eq!(read("cert.pem").trim(), leaf.trim());
    assert_eq!(read("chain.pem").trim(), middle.trim());
    assert_eq!(read("fullchain.pem").trim(), chain.trim());
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[test]
fn what_is_no_pair_changes_nothing() {
    let root = Root::new();
    let before = publish(&root.publisher());
    let ((chain, _), (_, key)) = (pair(&[NAME]), pair(&[NAME]));
    let content = Content {
        chain: &chain,
        key: &key,
    };
    let error = root.publisher().publish(&content).unwrap_err();
    assert_eq!(
        error.to_string(),
        "what is to be published must not be served: the new privkey.pem is not the key of the \
         new fullchain.pem"
    );
    assert_eq!(root.served(), before.leaf);
    assert!(root.leftovers().is_empty());
}

/// Has `read` called in a tight loop, in two threads, until `done` has returned;
/// how often it was.
fn while_reading(read: impl Fn() + Sync, done: impl FnOnce()) -> usize {
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        read();
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        // On a busy machine all could be done before one of them has begun.
        let fails = |it: &thread::ScopedJoinHandle<'_, ()>| it.is_finished();
        while reads.load(Ordering::Relaxed) == 0 && !readers.iter().any(fails) {
            thread::yield_now();
        }
        // Also if `done` fails, or its readers read for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(done));
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
        result.unwrap();
    });
    reads.into_inner()
}

fn read_at(directory: &File, name: &str) -> Vec<u8> {
    let file = openat(directory, name, OFlags::RDONLY, Mode::empty()).unwrap();
    let mut content = Vec::new();
    File::from(file).read_to_end(&mut content).unwrap();
    content
}

#[test]
fn one_open_is_never_mixed() {
    let root = Root::new();
    let publisher = root.publisher();
    publish(&publisher);
    let combined = root.live("combined.pem");
    let directory = root.live("");
    let reads = while_reading(
        || {
            let content = fs::read(&combined).unwrap();
            assert!(is_pair(&content, &content));
            // Versions go away that nobody can have open for so long; one that
            // is opened now lives for two publications more.
            let directory = File::open(&directory).unwrap();
            let (chain, key) = (
                read_at(&directory, "fullchain.pem"),
                read_at(&directory, "privkey.pem"),
            );
            assert!(is_pair(&chain, &key));
        },
        || {
            let keep_all = Publisher {
                keep: usize::MAX,
                ..root.publisher()
            };
            for _ in 0..100 {
                publish(&keep_all);
            }
        },
    );
    assert!(reads > 100, "{reads}");
}

#[test]
fn two_opens_by_path_can_stand_on_either_side() {
    let root = Root::new();
    publish(&root.publisher());
    let chain = fs::read(root.live("fullchain.pem")).unwrap();
    publish(&root.publisher());
    let key = fs::read(root.live("privkey.pem")).unwrap();
    assert!(!is_pair(&chain, &key));
    assert!(is_pair(
        &fs::read(root.live("fullchain.pem")).unwrap(),
        &key
    ));
}

/// A lineage of certbot's, taken over while it is read.
fn taken_over(
    (root, made): (Root, (String, String)),
    publisher_of: for<'a> fn(&'a Root) -> Publisher<'a>,
) -> Root {
    let reads = while_reading(
        || {
            // Chain first, as servers and agents do.
            let chain = fs::read(root.live("fullchain.pem")).unwrap();
            let key = fs::read(root.live("privkey.pem")).unwrap();
            // Whoever has met the old chain may meet the new key after it.
            let old = chain.trim_ascii() == made.0.as_bytes().trim_ascii();
            assert!(old || is_pair(&chain, &key));
        },
        || {
            let version = publish(&publisher_of(&root));
            // certbot's is version 8 now: nothing is called as a flat file is.
            assert_eq!(version.number, 9);
        },
    );
    assert!(reads > 0);
    let previous = publisher_of(&root).previous().unwrap().unwrap();
    assert_eq!(previous.number, 8);
    let chain = fs::read_to_string(root.path(&format!("archive/{NAME}/8/fullchain.pem"))).unwrap();
    assert_eq!(chain, made.0);
    assert!(
        root.path(&format!("archive/{NAME}/fullchain7.pem"))
            .exists()
    );
    assert!(root.leftovers().is_empty(), "{:?}", root.leftovers());
    root
}

#[test]
fn certbot_s_lineage_is_taken_over_by_an_exchange() {
    let root = taken_over(Root::with_certbot_s(7), Root::publisher);
    assert!(root.path(&format!("live/{NAME}")).is_symlink());
    // What certbot needs to go on from is beside it.
    let aside = root.path(&format!("live/.{NAME}.before-8/fullchain.pem"));
    assert!(fs::read(aside).is_ok());
}

/// Where the file system exchanges nothing, the link that the placeholder has made is
/// what one rename moves.
#[test]
fn certbot_s_lineage_after_a_placeholder_is_taken_over_by_a_rename() {
    let made = Root::with_certbot_s_after_a_placeholder(7);
    let root = taken_over(made, Root::without_exchange);
    assert!(root.path(&format!("live/{NAME}")).is_symlink());
    let aside = root.path(&format!("live/.{NAME}.before-8/fullchain.pem"));
    assert!(fs::read(aside).is_ok());
    assert!(!root.lineage().exists());
}

#[test]
fn certbot_s_lineage_is_taken_over_file_by_file() {
    let root = taken_over(Root::with_certbot_s(7), Root::without_exchange);
    assert!(!root.path(&format!("live/{NAME}")).is_symlink());
    let before = root.served();
    let next = publish(&root.without_exchange());
    assert_eq!(next.number, 10);
    assert_ne!(root.served(), before);
    assert_eq!(root.served(), next.leaf);
    assert!(fs::read(root.live("combined.pem")).is_ok());
    // Where it can be exchanged after all, it is.
    let next = publish(&root.publisher());
    assert_eq!(root.served(), next.leaf);
    assert!(root.path(&format!("live/{NAME}")).is_symlink());
}

/// Servers and agents read the chain first. With the chain changed last, who finds
/// the new one finds the new key after it; the other order cannot say so. A window
/// of microseconds shows it to no loop.
#[test]
fn file_by_file_the_chain_comes_last() {
    assert_eq!(layout::FILES.first(), Some(&"privkey.pem"));
    assert_eq!(layout::FILES.last(), Some(&"fullchain.pem"));
}

#[test]
fn another_error_than_unsupported_is_told_and_changes_nothing() {
    let (root, _) = Root::with_certbot_s(1);
    let before = root.served();
    let publisher = Publisher {
        exchange: |_, _| Err(io::Error::from(Errno::IO)),
        ..root.publisher()
    };
    let (chain, key) = pair(&[NAME]);
    let content = Content {
        chain: &chain,
        key: &key,
    };
    let error = publisher.publish(&content).unwrap_err().to_string();
    assert!(error.starts_with("exchange a link for "), "{error}");
    assert_eq!(root.served(), before);
    assert_eq!(publish(&root.publisher()).leaf, root.served());
    assert!(root.leftovers().is_empty());
}

#[test]
fn a_placeholder_is_replaced_and_never_gone_back_to() {
    let root = Root::new();
    let domains = [DomainName::parse(NAME).unwrap()];
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let prepared = prepare_placeholder(root.directory.path(), &root.name, &domains, &key, now);
    prepared.unwrap().publish().unwrap();
    let opened = File::open(root.live("")).unwrap();
    // Nothing has to be exchanged.
    let version = publish(&root.without_exchange());
    assert_eq!(root.served(), version.leaf);
    assert_eq!(root.publisher().previous().unwrap(), None);
    // Who had opened it still has a pair …
    let (chain, key) = (
        read_at(&opened, "fullchain.pem"),
        read_at(&opened, "privkey.pem"),
    );
    assert!(is_pair(&chain, &key));
    // … and the next publication leaves nothing of it.
    assert!(root.lineage().exists());
    publish(&root.without_exchange());
    let names: Vec<_> = fs::read_dir(root.path("live")).unwrap().collect();
    assert_eq!(names.len(), 1);
}

/// The link was moved, and certbot's directory not yet put aside.
#[test]
fn a_crash_after_the_rename_keeps_certbot_s_directory() {
    let (root, _) = Root::with_certbot_s_after_a_placeholder(1);
    let layout = root.publisher().layout;
    let (chain, key) = pair(&[NAME]);
    let content = Content {
        chain: &chain,
        key: &key,
    };
    let number = version::write(&layout, &content).unwrap();
    fs::remove_file(layout.live()).unwrap();
    symlink(format!("../archive/{NAME}/{number}"), layout.live()).unwrap();
    let next = publish(&root.publisher());
    assert_eq!(root.served(), next.leaf);
    assert!(layout.set_aside(number).join("fullchain.pem").exists());
    assert!(root.leftovers().is_empty(), "{:?}", root.leftovers());
}

#[test]
fn the_version_before_can_be_published_again() {
    let root = Root::new();
    let publisher = root.publisher();
    let (first, second) = (publish(&publisher), publish(&publisher));
    assert_eq!(publisher.previous().unwrap(), Some(first.clone()));
    assert_eq!(publisher.republish(first.number).unwrap(), first);
    assert_eq!(root.served(), first.leaf);
    // What was gone back from is now the one before; a new one leaves it behind.
    assert_eq!(publisher.previous().unwrap(), Some(second));
    let third = publish(&publisher);
    assert_eq!(third.number, 3);
    assert_eq!(publisher.previous().unwrap(), Some(first));
    let error = publisher.republish(9).unwrap_err().to_string();
    assert!(error.ends_with("expected one of [1, 2, 3]"), "{error}");
}

/// The archive tells which versions there are, whatever the link to the one before
/// says after a crash.
#[test]
fn a_crash_while_it_goes_back_loses_neither_version() {
    let root = Root::new();
    let publisher = root.publisher();
    let (first, second) = (publish(&publisher), publish(&publisher));
    let there = || {
        let mut versions = files::versions(root.directory.path(), &root.name).unwrap();
        versions.sort_by_key(|version| version.number);
        let leaves = versions.into_iter().map(|version| version.leaf);
        assert!(leaves.eq([first.leaf.clone(), second.leaf.clone()]));
    };
    // It died when the link to the one before was moved, and live/NAME not yet …
    let link = publisher.layout.previous_link();
    fs::remove_file(&link).unwrap();
    symlink(second.number.to_string(), &link).unwrap();
    assert_eq!(publisher.previous().unwrap(), None);
    there();
    // … or with a link in the making.
    symlink("../archive/example.org/1", publisher.layout.next_live()).unwrap();
    assert_eq!(root.served(), second.leaf);
    there();
    assert_eq!(publisher.republish(first.number).unwrap(), first);
    assert_eq!(publisher.previous().unwrap(), Some(second.clone()));
    assert!(root.leftovers().is_empty(), "{:?}", root.leftovers());
    there();
    // And back again: what no replica served is lost by nothing.
    assert_eq!(publisher.republish(second.number).unwrap(), second);
    assert_eq!(root.served(), second.leaf);
    there();
}

#[test]
fn a_version_that_is_no_pair_any_more_is_not_gone_back_to() {
    let root = Root::new();
    let publisher = root.publisher();
    let (first, second) = (publish(&publisher), publish(&publisher));
    root.write(&format!("archive/{NAME}/1/privkey.pem"), "half");
    let versions = files::versions(root.directory.path(), &root.name).unwrap();
    assert_eq!(versions.len(), 1);
    assert!(publisher.republish(first.number).is_err());
    assert_eq!(root.served(), second.leaf);
}

#[test]
fn what_a_crash_left_is_cleared() {
    let root = Root::new();
    let first = publish(&root.publisher());
    let layout = root.publisher().layout;
    // While it wrote a version …
    root.write(&format!("archive/{NAME}/.unfinished-2/privkey.pem"), "half");
    // … and before the link was moved.
    symlink("../archive/example.org/2", layout.next_live()).unwrap();
    assert_eq!(root.served(), first.leaf);
    let second = publish(&root.publisher());
    assert_eq!(second.number, 2);
    assert_eq!(root.served(), second.leaf);
    assert!(root.leftovers().is_empty(), "{:?}", root.leftovers());
}

#[test]
fn a_crash_after_the_exchange_keeps_certbot_s_directory() {
    let (root, _) = Root::with_certbot_s(1);
    let layout = root.publisher().layout;
    let (chain, key) = pair(&[NAME]);
    let number = version::write(
        &layout,
        &Content {
            chain: &chain,
            key: &key,
        },
    )
    .unwrap();
    symlink(format!("../archive/{NAME}/{number}"), layout.next_live()).unwrap();
    live::exchange(&layout.next_live(), &layout.live()).unwrap();
    let next = publish(&root.publisher());
    assert_eq!(root.served(), next.leaf);
    assert!(layout.set_aside(number).join("fullchain.pem").exists());
    assert!(root.leftovers().is_empty());
}

#[test]
fn a_file_in_the_way_is_named() {
    let root = Root::new();
    root.write(&format!("live/{NAME}"), "what is this");
    let (chain, key) = pair(&[NAME]);
    let content = Content {
        chain: &chain,
        key: &key,
    };
    let error = root.publisher().publish(&content).unwrap_err().to_string();
    assert!(
        error.ends_with("found something else; move it away"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However versions come and are gone back to, the live one is served, the
    /// one before is there, and no more are kept than shall be.
    #[test]
    fn old_versions_go_and_those_in_use_stay(back in prop::collection::vec(any::<bool>(), 1..12), keep in 0..4usize) {
        let root = Root::new();
        let publisher = Publisher { keep, ..root.publisher() };
        let mut live = publish(&publisher);
        for back in back {
            let before = live.clone();
            live = match publisher.previous().unwrap().filter(|_| back) {
                Some(previous) => publisher.republish(previous.number).unwrap(),
                None => publish(&publisher),
            };
            prop_assert_eq!(&root.served(), &live.leaf);
            prop_assert_eq!(publisher.previous().unwrap(), Some(before));
            let there = publisher.layout.versions().unwrap().len();
            prop_assert!(there <= keep.max(1) + 2, "{} versions", there);
        }
    }
}
