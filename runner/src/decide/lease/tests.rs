//! Runners that share one record, on clocks of their own rates, with pauses, slow
//! and lost messages: never do two act at once, and a silent holder is followed
//! soon.

use proptest::prelude::*;

use super::*;

/// One look and, if it says so, one write; in milliseconds of true time.
#[derive(Clone, Debug)]
struct Script {
    /// From the runner to the store, and back, for the look.
    look: (u64, u64),
    /// The runner stands still between the look and the write.
    pause: u64,
    /// The same for the write, and what becomes of it.
    write: (u64, u64),
    fate: Fate,
    /// The runner stands still after that.
    then: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    /// It never reaches the store.
    Lost,
    /// It is carried out, and the runner never hears of it.
    Unheard,
}

/// A stretch of true time in which a runner acted, or could have.
#[derive(Clone, Copy, Debug)]
struct Acted {
    who: usize,
    from: u64,
    to: u64,
}

/// The swarm's store: writes come one after the other.
#[derive(Debug, Default)]
struct Swarm {
    record: Option<Lease>,
    version: u64,
}

impl Swarm {
    fn swap(&mut self, over: Option<u64>, lease: &Lease) -> bool {
        let fits = over == self.record.as_ref().map(|_| self.version);
        if fits {
            self.record = Some(lease.clone());
            self.version += 1;
        }
        fits
    }
}

struct Runner {
    candidate: Candidate,
    /// Thousandths of a second of its clock in a true second.
    rate: u64,
    script: Vec<Script>,
    next: usize,
    /// What it is at, and when that is done.
    doing: (u64, Doing),
}

#[derive(Clone, Debug)]
enum Doing {
    Begin,
    /// The look is at the store.
    Looking(Script),
    /// The answer is on its way.
    Looked(Script, Option<(Lease, u64)>),
    /// The write has been asked for and is on its way.
    Writing(Script, Lease, Option<u64>, Moment),
    /// The answer is on its way.
    Written(Script, bool, Moment),
}

impl Runner {
    fn clock(&self, at: u64) -> Moment {
        Duration::from_micros(at * self.rate)
    }

    /// Until when, in true time, it takes itself for the holder.
    fn acts_until(&self) -> Option<u64> {
        let until = self.candidate.acts_until()?;
        let micros = u64::try_from(until.as_micros()).unwrap();
        Some(micros / self.rate)
    }

    fn script(&mut self) -> Script {
        let script = self.script[self.next % self.script.len()].clone();
        self.next += 1;
        script
    }

    /// Does what is due at `at`, and says when something is due again.
    fn step(&mut self, at: u64, swarm: &mut Swarm) {
        let retry = 2_000_000 / self.rate;
        self.doing = match self.doing.1.clone() {
            Doing::Begin => {
                let script = self.script();
                (at + script.look.0, Doing::Looking(script))
            }
            Doing::Looking(script) => {
                let found = swarm.record.clone().map(|lease| (lease, swarm.version));
                (at + script.look.1, Doing::Looked(script, found))
            }
            Doing::Looked(script, found) => {
                let seen = found.as_ref().map(|(lease, version)| (lease, *version));
                let version = seen.map(|(_, version)| version);
                match self.candidate.looked(seen, self.clock(at)) {
                    Action::StandBy(_) => (at + retry, Doing::Begin),
                    Action::Write(lease) => {
                        // It asks, and stands still before a byte has left.
                        let (asked, leaves) = (self.clock(at), at + script.pause);
                        let arrives = leaves + script.write.0;
                        (arrives, Doing::Writing(script, lease, version, asked))
                    }
                }
            }
            Doing::Writing(script, lease, over, asked) => {
                let swapped = match script.fate {
                    Fate::Lost => false,
                    Fate::Arrives | Fate::Unheard => swarm.swap(over, &lease),
                };
                let heard = swapped && matches!(script.fate, Fate::Arrives);
                let answered = at + script.write.1;
                (answered, Doing::Written(script, heard, asked))
            }
            Doing::Written(script, granted, asked) => {
                if granted {
                    self.candidate.granted(asked);
                }
                (at + retry + script.then, Doing::Begin)
            }
        };
    }
}

struct World {
    swarm: Swarm,
    runners: Vec<Runner>,
    /// Killed runners do nothing more.
    dead: Vec<bool>,
    acted: Vec<Acted>,
}

impl World {
    fn new(runners: Vec<(u64, u64, Vec<Script>)>) -> Self {
        let runner = |(index, (rate, begin, script)): (usize, (u64, u64, Vec<Script>))| Runner {
            candidate: Candidate::new(format!("runner-{index}"), Timing::default()),
            rate,
            script,
            next: 0,
            doing: (begin, Doing::Begin),
        };
        let runners: Vec<_> = runners.into_iter().enumerate().map(runner).collect();
        Self {
            swarm: Swarm::default(),
            dead: vec![false; runners.len()],
            runners,
            acted: Vec::new(),
        }
    }

    /// Goes on to `end`; says which runner's turn it was at the last, and when.
    fn run(&mut self, end: u64) {
        while let Some(at) = self.turn(end) {
            debug_assert!(at < end);
        }
    }

    fn turn(&mut self, end: u64) -> Option<u64> {
        let living = (0..self.runners.len()).filter(|&who| !self.dead[who]);
        let who = living.min_by_key(|&who| self.runners[who].doing.0)?;
        let at = self.runners[who].doing.0;
        if at >= end {
            return None;
        }
        self.runners[who].step(at, &mut self.swarm);
        self.note(who, at);
        Some(at)
    }

    /// Notes from when to when a runner may act, from this moment on: what it
    /// learns later cuts that short.
    fn note(&mut self, who: usize, at: u64) {
        if let Some(last) = self.acted.iter_mut().rev().find(|acted| acted.who == who) {
            last.to = last.to.min(at);
        }
        if let Some(to) = self.runners[who].acts_until().filter(|&to| to > at) {
            self.acted.push(Acted { who, from: at, to });
        }
    }

    fn two_at_once(&self) -> Option<(Acted, Acted)> {
        let pairs = self.acted.iter().enumerate();
        let mut pairs = pairs.flat_map(|(index, one)| {
            let others = self.acted[index + 1..].iter();
            others.map(move |other| (*one, *other))
        });
        pairs
            .find(|(one, other)| one.who != other.who && one.from < other.to && other.from < one.to)
    }

    fn holder_at(&self, at: u64) -> Option<usize> {
        let mut acted = self.acted.iter();
        let acts = acted.find(|acted| acted.from <= at && at < acted.to);
        acts.map(|acted| acted.who)
    }
}

fn quick() -> Script {
    Script {
        look: (5, 5),
        pause: 0,
        write: (5, 5),
        fate: Fate::Arrives,
        then: 0,
    }
}

prop_compose! {
    /// Mostly quick; now and then a message or the runner takes half a minute.
    fn scripts()(script in prop::collection::vec((any_time(), any_time(), any_pause(), any_time(),
        any_time(), any_fate(), any_pause()), 1..40)) -> Vec<Script> {
        let one = |(a, b, pause, c, d, fate, then)| Script {
            look: (a, b), pause, write: (c, d), fate, then,
        };
        script.into_iter().map(one).collect()
    }
}

fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..50_u64, 1 => 0..3_000_u64, 1 => 0..30_000_u64]
}

fn any_pause() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(0_u64), 1 => 0..12_000_u64, 1 => 0..60_000_u64]
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Unheard),
    ]
}

/// A runner: its clock's rate, when it begins, and what it meets with.
fn any_runner() -> impl Strategy<Value = (u64, u64, Vec<Script>)> {
    (850..1150_u64, 0..20_000_u64, scripts())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn two_never_act_at_once(runners in prop::collection::vec(any_runner(), 2..4)) {
        let mut world = World::new(runners);
        world.run(600_000);
        let two = world.two_at_once();
        prop_assert!(two.is_none(), "{two:?}");
    }

    #[test]
    fn a_killed_holder_is_followed_within_thirty_seconds(
        rates in prop::collection::vec(850..1150_u64, 2..4),
        begins in prop::collection::vec(0..5_000_u64, 3),
        killed_at in 10_000..60_000_u64,
    ) {
        let runners = rates.iter().zip(begins);
        let runners = runners.map(|(&rate, begin)| (rate, begin, vec![quick()]));
        let mut world = World::new(runners.collect());
        world.run(killed_at);
        let holder = world.holder_at(killed_at);
        prop_assert!(holder.is_some(), "nobody held it: {:?}", world.acted);
        world.dead[holder.unwrap()] = true;
        world.run(killed_at + 30_000);
        prop_assert!(world.acted.iter().any(|acted| Some(acted.who) != holder));
        prop_assert!(world.two_at_once().is_none());
    }
}

fn candidate(name: &str) -> Candidate {
    Candidate::new(name.to_owned(), Timing::default())
}

fn second(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn held_by(name: &str) -> Lease {
    Lease {
        holder: Some(name.to_owned()),
        epoch: 4,
        renewed: 7,
    }
}

#[test]
fn a_standby_waits_from_when_it_first_saw_the_record_as_it_is() {
    let (mut one, lease) = (candidate("one"), held_by("two"));
    let stand_by = Action::StandBy(Some("two".into()));
    assert_eq!(one.looked(Some((&lease, 8)), second(100)), stand_by);
    assert_eq!(one.looked(Some((&lease, 8)), second(114)), stand_by);
    assert_eq!(one.looked(Some((&lease, 9)), second(115)), stand_by);
    assert_eq!(one.looked(Some((&lease, 9)), second(129)), stand_by);
    let taken = Action::Write(Lease {
        holder: Some("one".into()),
        epoch: 5,
        renewed: 0,
    });
    assert_eq!(one.looked(Some((&lease, 9)), second(130)), taken);
    assert_eq!(
        one.acts_until(),
        None,
        "nothing is held before it is granted"
    );
}

#[test]
fn a_holder_stops_when_its_time_is_over_or_another_has_taken_it() {
    let mut one = candidate("one");
    one.granted(second(100));
    assert!(one.acts_at(second(109)) && !one.acts_at(second(110)));
    one.looked(Some((&held_by("two"), 9)), second(103));
    assert!(!one.acts_at(second(104)));
}

#[test]
fn what_was_released_is_taken_at_once_and_only_the_holder_releases() {
    let (mut one, mut two) = (candidate("one"), candidate("two"));
    assert_eq!(two.release(&held_by("one")), None);
    let released = one.release(&held_by("one")).unwrap();
    assert_eq!(released.holder, None);
    one.stops();
    let Action::Write(taken) = two.looked(Some((&released, 9)), second(1)) else {
        panic!("it was not taken");
    };
    assert_eq!(taken.holder.as_deref(), Some("two"));
}

#[test]
fn a_record_that_was_removed_is_waited_for() {
    let mut one = candidate("one");
    let first = Action::Write(Lease::first("one"));
    assert_eq!(one.looked(None, second(1)), first, "there never was one");
    one.looked(Some((&held_by("two"), 9)), second(2));
    assert_eq!(one.looked(None, second(4)), Action::StandBy(None));
    assert_eq!(one.looked(None, second(17)), first);
}
