//! What holds for every history and every authority: a clock is driven through
//! the policy, with an authority that answers as chance has it.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::time::{DAY, HOUR, MINUTE, WEEK, part};
use super::*;
use crate::model::{Digest, Fingerprint};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn names() -> Digest {
    Digest::of_names(["example.org"])
}

fn authority() -> Digest {
    Digest::of_authority("https://acme.example/directory")
}

/// How an authority answers an order.
#[derive(Clone, Debug)]
enum Answer {
    /// It issues a certificate that lives so many days; it is published or lost.
    Issues {
        days: i32,
        published: bool,
    },
    Refuses {
        retry_after_hours: Option<i64>,
    },
}

/// How it answers the question of the time: a window that begins at such a part
/// of the life and is so many days long, or nothing.
type Window = Option<(f64, f64)>;

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        (6..90_i32, prop::bool::weighted(0.7))
            .prop_map(|(days, published)| Answer::Issues { days, published }),
        prop::option::of(0..200_i64)
            .prop_map(|retry_after_hours| Answer::Refuses { retry_after_hours }),
    ]
}

fn windows() -> impl Strategy<Value = Window> {
    prop::option::weighted(0.8, (-0.2..1.2, -1.0..5.0))
}

/// One certificate and all that is known of it.
struct World {
    now: Timestamp,
    current: Current,
    history: History,
    pace: Pace,
    made: u32,
    /// When it was issued, and whether the one before neared its expiry.
    issued: Vec<(Timestamp, bool)>,
}

impl World {
    fn new() -> Self {
        Self {
            now: START,
            current: Current::Placeholder,
            history: History::default(),
            pace: Pace::default(),
            made: 0,
            issued: Vec::new(),
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            wanted: names(),
            authority: authority(),
            current: self.current.clone(),
            forced: false,
            shared: Shared::default(),
        }
    }

    fn verdict(&self) -> Verdict {
        verdict(&self.facts(), &self.history, &self.pace, self.now)
    }

    /// The verdict beside another certificate for the same names.
    fn verdict_beside(&self, other: &Self) -> Verdict {
        let mut facts = self.facts();
        facts.shared.add(&other.facts(), &other.history, self.now);
        verdict(&facts, &self.history, &self.pace, self.now)
    }

    fn order(&self, exempt: bool) -> Order {
        Order {
            authority: authority(),
            names: names(),
            replaced: self.current.issued().map(|issued| issued.fingerprint),
            exempt,
        }
    }

    fn issue(&mut self, life: SignedDuration, published: bool) {
        self.issue_as(life, published, false);
    }

    fn issue_as(&mut self, life: SignedDuration, published: bool, exempt: bool) {
        self.made += 1;
        let fingerprint = Fingerprint::of_der(&self.made.to_be_bytes());
        let nears = self.current.issued().map(Issued::nears_expiry_at);
        let emergency = nears.is_some_and(|from| from <= self.now);
        self.issued.push((self.now, emergency));
        let order = self.order(exempt);
        self.history.issued(self.now, &order, fingerprint);
        if published {
            self.current = Current::Issued(Issued {
                fingerprint,
                names: names(),
                not_before: self.now,
                not_after: self.now + life,
                share: Issued::share_of(fingerprint),
            });
        }
    }

    fn fail(&mut self, class: FailureClass, retry_after: Option<SignedDuration>) {
        let failure = Failure { class, retry_after };
        let order = self.order(false);
        self.history.failed(self.now, &order, failure);
    }

    fn carry_out(&mut self, answer: &Answer) {
        match *answer {
            Answer::Issues { days, published } => self.issue(DAY * days, published),
            Answer::Refuses { retry_after_hours } => {
                let retry_after = retry_after_hours.map(SignedDuration::from_hours);
                self.fail(FailureClass::RateLimited, retry_after);
            }
        }
    }

    fn hear(&mut self, window: Window) {
        let Some(issued) = self.current.issued() else {
            return;
        };
        let of = issued.fingerprint;
        match window {
            None => self.history.ari_failed(self.now, of, AriFailure::LongTerm),
            Some((from, days)) => {
                let start = issued.not_before + part(issued.life(), from);
                let answer = AriAnswer {
                    window: Some((start, start + part(DAY, days))),
                    retry_after: Some(HOUR * 6),
                };
                self.history.ari_answered(self.now, of, &answer);
            }
        }
    }

    /// As a node that was restarted has it.
    fn restart(&mut self) {
        let text = serde_json::to_string(&self.history).unwrap();
        assert!(text.len() < 2048);
        self.history = serde_json::from_str(&text).unwrap();
    }

    /// Goes to the moment at which the policy wants to look again.
    fn wait(&mut self, verdict: &Verdict) {
        let at = verdict.look_at(self.now);
        assert!(at > self.now, "it looks again without end: {verdict:?}");
        self.now = at;
    }
}

/// How many in a row of `issued` fall into one week, at most.
fn most_in_a_week(issued: &[Timestamp]) -> usize {
    let within = |from: &Timestamp| {
        let week = |at: &&Timestamp| at.duration_since(*from) < WEEK && *at >= from;
        issued.iter().filter(week).count()
    };
    issued.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an authority answers, whatever is lost: no loop. At most three in
    /// any week, and a fourth only in an emergency.
    #[test]
    fn no_set_of_names_is_issued_more_often_than_the_budget_says(
        answers in prop::collection::vec(answers(), 40),
        windows in prop::collection::vec(windows(), 40),
        loses_all in any::<bool>(),
    ) {
        let mut world = World::new();
        let (mut answers, mut windows) = (answers.iter().cycle(), windows.iter().cycle());
        for _ in 0..4000 {
            let verdict = world.verdict();
            if verdict.asks_ari(world.now) {
                world.hear(*windows.next().unwrap());
            } else if matches!(verdict.decision, Decision::Due { .. }) {
                let mut answer = answers.next().unwrap().clone();
                if let Answer::Issues { published, .. } = &mut answer
                    && loses_all
                {
                    // All but the first: so it comes to an emergency.
                    *published = world.issued.is_empty();
                }
                world.carry_out(&answer);
                world.restart();
            } else {
                world.wait(&verdict);
            }
            if world.now > START + DAY * 200 {
                break;
            }
        }
        let refuses = |answer: &Answer| matches!(answer, Answer::Refuses { .. });
        let never = answers.take(40).all(refuses);
        prop_assert!(never || !world.issued.is_empty(), "an authority that issues is asked");
        let all: Vec<Timestamp> = world.issued.iter().map(|&(at, _)| at).collect();
        let calm: Vec<Timestamp> =
            world.issued.iter().filter(|(_, emergency)| !emergency).map(|&(at, _)| at).collect();
        prop_assert!(most_in_a_week(&all) <= 4, "{all:?}");
        prop_assert!(most_in_a_week(&calm) <= 3, "{calm:?}");
    }

    /// The same of two certificates for the same names, as far as the authority
    /// counts what it issues; and of each alone, whatever it counts.
    #[test]
    fn nor_by_two_certificates_together(
        answers in prop::collection::vec(answers(), 40),
        windows in prop::collection::vec(windows(), 40),
        turns in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut pair = [World::new(), World::new()];
        let (mut answers, mut windows) = (answers.iter().cycle(), windows.iter().cycle());
        let mut turns = turns.iter().cycle();
        let mut counted: Vec<(Timestamp, bool)> = Vec::new();
        for _ in 0..4000 {
            if *turns.next().unwrap() {
                pair.reverse();
            }
            let [one, other] = &mut pair;
            let verdict = one.verdict_beside(other);
            let next = other.verdict_beside(one);
            match verdict.decision {
                _ if verdict.asks_ari(one.now) => one.hear(*windows.next().unwrap()),
                Decision::Due { counts, .. } => {
                    match answers.next().unwrap() {
                        Answer::Issues { days, published } => {
                            one.issue_as(DAY * *days, *published, !counts);
                            counted.extend(one.issued.last().filter(|_| counts));
                        }
                        refused @ Answer::Refuses { .. } => one.carry_out(refused),
                    }
                    one.restart();
                }
                _ => {
                    let at = verdict.look_at(one.now).min(next.look_at(one.now));
                    for world in &mut pair {
                        world.now = world.now.max(at);
                    }
                }
            }
            if pair[0].now > START + DAY * 200 {
                break;
            }
        }
        let all: Vec<Timestamp> = counted.iter().map(|&(at, _)| at).collect();
        let calm = counted.iter().filter(|(_, emergency)| !emergency).map(|&(at, _)| at);
        prop_assert!(most_in_a_week(&all) <= 4, "{all:?}");
        prop_assert!(most_in_a_week(&calm.collect::<Vec<_>>()) <= 3, "{counted:?}");
        for world in &pair {
            let own: Vec<Timestamp> = world.issued.iter().map(|&(at, _)| at).collect();
            prop_assert!(most_in_a_week(&own) <= 4, "{own:?}");
        }
    }

    /// Issued and published is enough: the next order is not before a fair part of
    /// the life is over, however often a node starts anew.
    #[test]
    fn a_certificate_that_was_issued_and_published_is_not_ordered_again(
        life_hours in 1..2200_i64,
        starts in prop::collection::vec(0.0..0.38_f64, 1..20),
        window in 0.4..0.95_f64,
    ) {
        let life = SignedDuration::from_hours(life_hours);
        let mut world = World::new();
        world.issue(life, true);
        for start in starts {
            world.now = START + part(life, start);
            world.restart();
            world.hear(Some((window, 0.5)));
            let verdict = world.verdict();
            let waits = matches!(verdict.decision, Decision::NotDue { .. });
            prop_assert!(waits, "{verdict:?}");
        }
    }

    /// One outage in each life, shorter than the margin: it never expires. Neither
    /// with windows nor without, for lives from an hour to ninety days.
    #[test]
    fn an_authority_that_works_renews_before_it_expires(
        life_hours in prop_oneof![1..240_i64, 240..2160_i64],
        outages in prop::collection::vec((0.0..1.0_f64, 0.0..0.9_f64), 6),
        ari in any::<bool>(),
        restarts in any::<bool>(),
    ) {
        let life = SignedDuration::from_hours(life_hours);
        let margin = part(life, if life < DAY * 10 { 0.49 } else { 0.32 });
        let mut world = World::new();
        let mut outages = outages.iter().map(|&(from, length)| {
            (part(life, from), part(margin, length))
        });
        world.issue(life, true);
        let mut outage = outages.next().map(|(from, length)| (world.now + from, world.now + from + length));
        for _ in 0..100_000 {
            let verdict = world.verdict();
            let down = outage.is_some_and(|(from, to)| (from..to).contains(&world.now));
            if verdict.asks_ari(world.now) && ari && down {
                let of = world.current.issued().unwrap().fingerprint;
                let failure = AriFailure::Temporary { retry_after: None };
                world.history.ari_failed(world.now, of, failure);
            } else if verdict.asks_ari(world.now) {
                let middle = if life < DAY * 10 { 0.49 } else { 0.66 };
                let length = life.as_secs_f64() * 0.02 / 86_400.0;
                world.hear(ari.then_some((middle, length)));
            } else if matches!(verdict.decision, Decision::Due { .. }) && down {
                world.fail(FailureClass::Unreachable, None);
            } else if matches!(verdict.decision, Decision::Due { .. }) {
                let until = world.current.issued().unwrap().not_after;
                prop_assert!(world.now < until, "expired at {until}, renewed at {}", world.now);
                world.issue(life, true);
                match outages.next() {
                    Some((from, length)) => {
                        let from = world.now + from;
                        outage = Some((from, from + length));
                    }
                    None => break,
                }
            } else {
                world.wait(&verdict);
            }
            if restarts && down {
                world.restart();
            }
        }
        let over = outages.next().is_none();
        prop_assert!(over, "it came to no end");
    }
}

/// The last property is seen to bite: with an outage that is longer than the
/// margin, no policy can help.
#[test]
fn an_outage_of_the_whole_margin_is_too_long() {
    let mut world = World::new();
    world.issue(DAY * 6, true);
    let until = world.current.issued().unwrap().not_after;
    while world.now < until {
        let verdict = world.verdict();
        if verdict.asks_ari(world.now) {
            world.hear(None);
        } else if matches!(verdict.decision, Decision::Due { .. }) {
            world.fail(FailureClass::Unreachable, None);
        } else {
            world.wait(&verdict);
        }
        assert!(world.now < until + MINUTE * 120);
    }
    assert!(matches!(
        world.verdict().decision,
        Decision::Due {
            why: WhyDue::Expired,
            ..
        } | Decision::Held {
            why: WhyDue::Expired,
            ..
        }
    ));
}
