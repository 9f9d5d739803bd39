//! Two or three directories, and a time that the tests tell.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::super::side::Side;
use super::*;

const DELAY: Duration = Duration::from_secs(8);
const PART: Duration = Duration::from_secs(1);

/// Sides with their directories, and what time it is.
struct World {
    carrier: Carrier,
    begun: Instant,
    now: Instant,
    sides: Vec<PathBuf>,
    _directory: TempDir,
}

impl World {
    fn of(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let make = |name: String| {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let staging = make("staging".to_owned());
        let sides: Vec<_> = (1..=count).map(|n| make(format!("side-{n}"))).collect();
        let side = |root: &PathBuf| Side::new(root.clone(), DELAY, Vec::new(), staging.clone());
        let begun = Instant::now();
        Self {
            carrier: Carrier::new(sides.iter().map(side).collect()),
            begun,
            now: begun,
            sides,
            _directory: directory,
        }
    }

    fn source(&self, path: &str) -> PathBuf {
        self.sides[0].join(path)
    }

    fn seen(&self, path: &str) -> PathBuf {
        self.sides[1].join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.source(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// As certbot and others put a new file in the place of an old one.
    fn replace(&self, path: &str, content: &str) {
        self.write("next", content);
        fs::rename(self.source("next"), self.source(path)).unwrap();
    }

    /// Looks, then lets the time pass by and carries what is due.
    fn look_and_pass(&mut self, time: Duration) {
        let found = self.carrier.look();
        self.carrier.plan(found, self.now);
        self.now += time;
        self.carrier.carry(self.now);
    }

    /// What `path` shows after the first look, at each moment when it changes:
    /// how long after the look, and what.
    fn history(&mut self, path: &str) -> Vec<(Duration, String)> {
        let mut history: Vec<(Duration, String)> = Vec::new();
        self.look_and_pass(Duration::ZERO);
        while let Some(wait) = self.carrier.next(self.now) {
            self.look_and_pass(wait);
            let shown = fs::read_to_string(self.seen(path)).unwrap_or_else(|_| "nothing".into());
            if history.last().is_none_or(|(_, last)| *last != shown) {
                history.push((self.now - self.begun, shown));
            }
        }
        history
    }

    /// Lets the time pass by until nothing is left to do anywhere.
    fn settle(&mut self) {
        self.look_and_pass(Duration::ZERO);
        while let Some(wait) = self.carrier.next(self.now) {
            self.look_and_pass(wait);
        }
    }

    /// Every path of a side with what it is.
    fn all(&self, side: usize) -> Vec<(PathBuf, String)> {
        let root = &self.sides[side];
        let mut all = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let found = fs::symlink_metadata(&path).unwrap();
                let what = if found.is_dir() {
                    directories.push(path.clone());
                    "directory".to_owned()
                } else if found.is_symlink() {
                    fs::read_link(&path).unwrap().display().to_string()
                } else {
                    let mode = found.permissions().mode();
                    let times = (found.mtime(), found.mtime_nsec());
                    format!("{mode:o} {times:?} {}", fs::read_to_string(&path).unwrap())
                };
                all.push((path.strip_prefix(root).unwrap().to_owned(), what));
            }
        }
        all.sort();
        all
    }
}

#[test]
fn a_link_is_seen_before_its_file_which_is_empty_then_short_then_whole() {
    let mut world = World::of(2);
    world.write("archive/2/chain.pem", "0123456789");
    symlink("archive/2", world.source("live")).unwrap();
    let part = |count| DELAY + PART * count;
    assert_eq!(
        world.history("live/chain.pem"),
        [
            (part(0), "nothing".to_owned()),
            (part(1), String::new()),
            (part(2), "01234".to_owned()),
            (part(3), "0123456789".to_owned()),
        ]
    );
    assert_eq!(
        fs::read_link(world.seen("live")).unwrap(),
        Path::new("archive/2")
    );
}

#[test]
fn nothing_is_seen_before_its_time() {
    let mut world = World::of(2);
    world.write("a/b", "content");
    symlink("a", world.source("link")).unwrap();
    world.look_and_pass(Duration::from_nanos(1));
    world.look_and_pass(DELAY - Duration::from_nanos(2));
    assert_eq!(world.all(1), []);
    world.look_and_pass(Duration::from_nanos(1));
    assert_ne!(world.all(1), []);
}

#[test]
fn a_certificate_is_whole_before_its_key() {
    let mut world = World::of(2);
    world.write("fullchain.pem", "chain");
    world.write("privkey.pem", "key");
    world.look_and_pass(Duration::ZERO);
    let end = world.begun + DELAY + PART * 3;
    while let Some(wait) = world.carrier.next(world.now)
        && world.now + wait <= end
    {
        world.look_and_pass(wait);
    }
    assert_eq!(fs::read(world.seen("fullchain.pem")).unwrap(), b"chain");
    assert_eq!(fs::read(world.seen("privkey.pem")).unwrap(), b"k");
}

#[test]
fn what_lies_between_two_steps_is_to_be_seen_though_the_first_comes_late() {
    let mut world = World::of(2);
    world.write("chain.pem", "0123456789");
    world.look_and_pass(Duration::ZERO);
    let late = PART * 5;
    world.look_and_pass(DELAY + PART + late);
    let shown = |world: &World| fs::read_to_string(world.seen("chain.pem")).unwrap();
    assert_eq!(shown(&world), "");
    world.look_and_pass(PART - Duration::from_nanos(1));
    assert_eq!(shown(&world), "");
    world.look_and_pass(Duration::from_nanos(1));
    assert_eq!(shown(&world), "01234");
    world.settle();
    assert_eq!(world.carrier.next(world.now), None);

    // What comes after that is not late any more.
    let before = world.now;
    world.write("another.pem", "0123456789");
    world.look_and_pass(Duration::ZERO);
    assert_eq!(world.carrier.next(before), Some(DELAY + PART));
}

#[test]
fn one_that_is_rewritten_stays_the_same_file_and_one_that_is_replaced_does_not() {
    let mut world = World::of(2);
    world.write("rewritten", "old");
    world.write("replaced", "old");
    world.settle();
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    let before = (
        inode(world.seen("rewritten")),
        inode(world.seen("replaced")),
    );
    world.write("rewritten", "another");
    world.replace("replaced", "another");
    world.settle();
    assert_eq!(inode(world.seen("rewritten")), before.0);
    assert_ne!(inode(world.seen("replaced")), before.1);
    assert_eq!(world.all(0), world.all(1));
}

#[test]
fn a_mode_alone_is_carried_without_the_content() {
    let mut world = World::of(2);
    world.write("privkey.pem", "key");
    world.settle();
    let key = world.source("privkey.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(world.history("privkey.pem").len(), 1, "it stays whole");
    assert_eq!(world.all(0), world.all(1));
}

#[test]
fn what_was_removed_meanwhile_does_not_come_back() {
    let mut world = World::of(2);
    world.write("live/file", "content");
    world.look_and_pass(DELAY + PART);
    fs::remove_dir_all(world.source("live")).unwrap();
    world.settle();
    assert_eq!(world.all(1), []);
}

#[test]
fn a_directory_that_was_made_anew_does_not_get_back_what_was_in_it() {
    let mut world = World::of(2);
    world.write("live/old", "old");
    world.look_and_pass(PART / 4);
    fs::remove_dir_all(world.source("live")).unwrap();
    world.look_and_pass(PART / 4);
    world.write("live/new", "new");
    world.settle();
    assert_eq!(world.all(0), world.all(1));
}

#[test]
fn nothing_is_written_through_a_link_that_has_taken_a_directory_s_place() {
    let mut world = World::of(2);
    world.write("archive/1/chain.pem", "first");
    world.write("live/chain.pem", "placeholder");
    world.settle();
    world.write("live/chain.pem", "another placeholder");
    world.look_and_pass(PART);
    fs::remove_dir_all(world.source("live")).unwrap();
    symlink("archive/1", world.source("live")).unwrap();
    world.settle();
    assert_eq!(fs::read(world.seen("live/chain.pem")).unwrap(), b"first");
    assert_eq!(world.all(0), world.all(1));
}

#[test]
fn whoever_writes_all_others_see_it_and_it_ends() {
    let mut world = World::of(3);
    for side in 0..3 {
        fs::write(world.sides[side].join(format!("by-{side}")), "content").unwrap();
    }
    world.settle();
    assert_eq!(world.all(0).len(), 3);
    assert_eq!(world.all(0), world.all(1));
    assert_eq!(world.all(1), world.all(2));
}

/// Choices of a generator that gives the same again (Knuth's MMIX).
struct Choices(u64);

impl Choices {
    fn of(&mut self, count: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }
}

#[test]
fn whatever_is_done_in_whatever_haste_all_come_to_show_the_same() {
    for seed in 0..60 {
        let mut world = World::of(2);
        let mut choices = Choices(seed);
        for _ in 0..30 {
            do_something(&world, &mut choices);
            let time = PART / 4 * u32::try_from(choices.of(30)).unwrap();
            world.look_and_pass(time);
        }
        world.settle();
        assert_eq!(world.all(0), world.all(1), "with seed {seed}");
    }
}

/// Something that certbot, the runner or a person does to a few paths.
fn do_something(world: &World, choices: &mut Choices) {
    const PATHS: [&str; 5] = ["a", "b", "a/c", "a/d", "b/c"];
    let path = PATHS[usize::try_from(choices.of(5)).unwrap()];
    let (source, number) = (world.source(path), choices.of(1000));
    // What fails, because the parent is a file for example, is nothing done.
    let _ = match choices.of(6) {
        0 => fs::create_dir(source),
        1 => fs::write(source, format!("content {number}")),
        2 => fs::write(world.source("next"), format!("{number} new"))
            .and_then(|()| fs::rename(world.source("next"), source)),
        3 => symlink("b", source),
        4 => fs::remove_dir_all(&source).or_else(|_| fs::remove_file(source)),
        _ => fs::rename(source, world.source("b")),
    };
}
