//! The virtual clock: a queue of moments at which a certificate is looked at.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::authority::{Asked, Authority, Reply};
use super::fleet::{Certificate, fleet};
use super::outage::Outage;
use super::outcome::Outcome;
use super::queue::{Event, Queue};
use super::rules::Rules;
use crate::decide::renewal::{
    Decision, Facts, Failure, FailureClass, History, Pace, Verdict, WhyHeld, ask_ari_at,
};

/// Before Let's Encrypt's lives become shorter, so that a year sees them do so.
const START: Timestamp = Timestamp::constant(1_796_083_200, 0);
/// How soon the daemon looks again at the soonest after an order.
const SOON: SignedDuration = SignedDuration::from_secs(60);
/// How often one that waits for the account's pace is looked at meanwhile.
const MEANWHILE: SignedDuration = SignedDuration::from_hours(1);

/// How the policy is asked: [`verdict`], or a worse one in a test.
///
/// [`verdict`]: crate::decide::renewal::verdict
pub(crate) type Policy = fn(&Facts, &History, &Pace, Timestamp) -> Verdict;

/// What is simulated.
pub(crate) struct Simulation {
    pub(crate) rules: Rules,
    pub(crate) certificates: usize,
    pub(crate) days: u32,
    pub(crate) outages: Vec<Outage>,
    pub(crate) restart_every: Option<SignedDuration>,
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
}

/// Simulates it to its end.
///
/// # Errors
/// When a history cannot be read again after a restart: a fault of the program.
pub(crate) fn simulate(simulation: &Simulation) -> Result<Outcome, serde_json::Error> {
    let mut world = World::new(simulation);
    world.begin();
    while let Some((at, event)) = world.queue.pop() {
        if at > world.end {
            break;
        }
        world.now = at;
        world.comes(event)?;
    }
    Ok(world.conclude())
}

struct World<'a> {
    simulation: &'a Simulation,
    now: Timestamp,
    end: Timestamp,
    queue: Queue,
    certificates: Vec<Certificate>,
    /// Those that wait for the account's pace, first come first served.
    paced: VecDeque<usize>,
    /// The next of them is called.
    calls: bool,
    pace: Pace,
    authority: Authority<'a>,
    /// Orders in each hour.
    hours: Vec<u32>,
    outcome: Outcome,
}

impl<'a> World<'a> {
    fn new(simulation: &'a Simulation) -> Self {
        let (rules, count) = (&simulation.rules, simulation.certificates);
        let hours = simulation.days as usize * 24 + 1;
        Self {
            simulation,
            now: START,
            end: START + SignedDuration::from_hours(24) * i32_of(simulation.days),
            queue: Queue::new(START),
            certificates: fleet(rules, count, simulation.seed),
            paced: VecDeque::new(),
            calls: false,
            pace: Pace::default(),
            authority: Authority::new(rules, count),
            hours: vec![0; hours],
            outcome: Outcome::new(rules, count, simulation.days, simulation.seed),
        }
    }

    fn begin(&mut self) {
        for certificate in &self.certificates {
            if let Some(of) = self.outcome.profiles.get_mut(certificate.profile) {
                of.certificates += 1;
            }
        }
        self.look_at_all();
        self.plan_restart();
    }

    fn look_at_all(&mut self) {
        for nth in 0..self.certificates.len() {
            self.look_later(nth, self.now);
        }
    }

    fn plan_restart(&mut self) {
        if let Some(every) = self.simulation.restart_every {
            self.queue.push(self.now + every, Event::Restart);
        }
    }

    fn look_later(&mut self, nth: usize, at: Timestamp) {
        if let Some(certificate) = self.certificates.get_mut(nth) {
            certificate.look_at = self.queue.push(at, Event::Look(nth));
        }
    }

    fn comes(&mut self, event: Event) -> Result<(), serde_json::Error> {
        match event {
            Event::Look(nth) => self.look(nth),
            Event::Pace => self.pace_is_free(),
            Event::Restart => self.restart()?,
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), serde_json::Error> {
        self.outcome.restarts += 1;
        for certificate in &mut self.certificates {
            certificate.restart()?;
        }
        self.paced.clear();
        self.calls = false;
        self.look_at_all();
        self.plan_restart();
        Ok(())
    }

    fn pace_is_free(&mut self) {
        self.calls = false;
        let Some(nth) = self.paced.pop_front() else {
            return;
        };
        if let Some(certificate) = self.certificates.get_mut(nth) {
            certificate.paced = false;
            certificate.look_at = self.now;
        }
        self.look(nth);
        if !self.paced.is_empty() {
            self.call_the_next();
        }
    }

    fn call_the_next(&mut self) {
        if !self.calls {
            self.calls = true;
            let at = self.pace.free_at().max(self.now);
            self.queue.push(at, Event::Pace);
        }
    }

    /// Looks at one certificate, as the daemon does: asks for the time of its
    /// renewal if it is to, orders if it is due, and says when to look again.
    fn look(&mut self, nth: usize) {
        let planned = self.certificates.get(nth).map(|it| it.look_at);
        if planned != Some(self.now) {
            return;
        }
        self.ask(nth);
        let Some(verdict) = self.verdict(nth) else {
            return;
        };
        let next = match verdict.decision {
            Decision::Due { counts, .. } => {
                self.order(nth, counts);
                let after = self.verdict(nth).unwrap_or(verdict);
                after.look_at(self.now).max(self.now + SOON)
            }
            Decision::Held {
                by: WhyHeld::Pace, ..
            } => {
                self.wait_for_pace(nth);
                self.now + MEANWHILE
            }
            _ => verdict.look_at(self.now),
        };
        self.look_later(nth, next);
    }

    fn verdict(&self, nth: usize) -> Option<Verdict> {
        let certificate = self.certificates.get(nth)?;
        let (facts, history) = (&certificate.facts, &certificate.history);
        Some((self.simulation.policy)(
            facts, history, &self.pace, self.now,
        ))
    }

    /// Asks the authority for the time of a renewal, if it is to be asked now.
    fn ask(&mut self, nth: usize) {
        let Some(certificate) = self.certificates.get_mut(nth) else {
            return;
        };
        let at = ask_ari_at(&certificate.facts, &certificate.history, self.now);
        if at.is_some_and(|at| at <= self.now) {
            self.outcome.ari_questions += 1;
            let is_down = is_down(self.simulation, self.now);
            certificate.ask(is_down, self.now);
        }
    }

    fn wait_for_pace(&mut self, nth: usize) {
        if let Some(certificate) = self.certificates.get_mut(nth).filter(|it| !it.paced) {
            certificate.paced = true;
            self.paced.push_back(nth);
        }
        self.call_the_next();
    }

    fn order(&mut self, nth: usize, counts: bool) {
        let (rules, seed) = (&self.simulation.rules, self.simulation.seed);
        let Some(certificate) = self.certificates.get_mut(nth) else {
            return;
        };
        if is_down(self.simulation, self.now) {
            self.fail(nth, FailureClass::Unreachable, None);
            return;
        }
        if counts {
            self.pace.ordered(self.now);
        }
        let replaces = certificate.suggested.and_then(|answer| answer.window);
        let asked = Asked {
            certificate: nth,
            replaces,
            can_be_validated: certificate.can_be_validated(rules, nth, seed),
        };
        self.count_order();
        match self.authority.order(&asked, self.now) {
            Reply::Issued => self.issue(nth),
            Reply::Invalid => self.fail(nth, FailureClass::Validation, None),
            Reply::Limited { retry_after } => {
                self.fail(nth, FailureClass::RateLimited, Some(retry_after));
            }
        }
    }

    fn count_order(&mut self) {
        self.outcome.orders += 1;
        let hour = self.now.duration_since(START).as_hours();
        let hour = usize::try_from(hour)
            .ok()
            .and_then(|hour| self.hours.get_mut(hour));
        if let Some(orders) = hour {
            *orders += 1;
        }
    }

    fn issue(&mut self, nth: usize) {
        let Some(certificate) = self.certificates.get_mut(nth) else {
            return;
        };
        if let Some(before) = certificate.issued() {
            let left = before.not_after.duration_since(self.now);
            self.outcome.renewed(certificate.profile, left);
        }
        if let Some(profile) = self.simulation.rules.profiles.get(certificate.profile) {
            let ari = self.simulation.rules.ari;
            certificate.issue(nth, profile, ari, self.now);
        }
    }

    fn fail(&mut self, nth: usize, class: FailureClass, retry_after: Option<SignedDuration>) {
        self.outcome.failed(class);
        if let Some(certificate) = self.certificates.get_mut(nth) {
            let (order, failure) = (certificate.order(), Failure { class, retry_after });
            certificate.history.failed(self.now, &order, failure);
        }
    }

    fn conclude(mut self) -> Outcome {
        for certificate in &self.certificates {
            match certificate.issued() {
                None => self.outcome.never_issued += 1,
                Some(issued) if issued.not_after < self.end => {
                    self.outcome.has_expired(certificate.profile);
                }
                Some(_) => {}
            }
        }
        self.outcome.limit_hits = self.authority.hits.values().sum();
        self.outcome.limits = self.authority.hits;
        self.outcome.peak_orders_per_hour = self.hours.iter().copied().max().unwrap_or(0);
        self.outcome
    }
}

fn is_down(simulation: &Simulation, now: Timestamp) -> bool {
    let mut outages = simulation.outages.iter();
    outages.any(|outage| outage.covers(START, now))
}

fn i32_of(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}
