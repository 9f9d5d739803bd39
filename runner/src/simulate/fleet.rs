//! The certificates of a simulation.

use jiff::{SignedDuration, Timestamp};

use super::rules::{Profile, Rules, Windows};
use crate::decide::renewal::{
    AriAnswer, AriFailure, Current, Facts, History, Issued, Order, Shared, draw,
};
use crate::model::{Digest, Fingerprint};

/// An authority begins a certificate somewhat before it issues it, for clocks
/// that are behind.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// One certificate, as the runner knows it and as it is.
pub(super) struct Certificate {
    pub(super) facts: Facts,
    pub(super) history: History,
    /// The index of its profile.
    pub(super) profile: usize,
    /// When it is looked at again; what a queue has for another time is old.
    pub(super) look_at: Timestamp,
    /// What the authority answers to the question when to renew it.
    pub(super) suggested: Option<AriAnswer>,
    /// It waits for the account's pace.
    pub(super) paced: bool,
    issued: u32,
    orders: u32,
}

/// So many, of which none is there yet.
pub(super) fn fleet(rules: &Rules, certificates: usize, seed: u64) -> Vec<Certificate> {
    let authority = Digest::of_authority(&rules.name);
    let one = |nth: usize| Certificate {
        facts: Facts {
            wanted: Digest::of_names([format!("site{nth}.example").as_str()]),
            authority,
            current: Current::Missing,
            forced: false,
            shared: Shared::default(),
        },
        history: History::default(),
        profile: profile_of(&rules.profiles, nth, seed),
        look_at: Timestamp::MIN,
        suggested: None,
        paced: false,
        issued: 0,
        orders: 0,
    };
    (0..certificates).map(one).collect()
}

/// Profiles are dealt by their shares.
fn profile_of(profiles: &[Profile], nth: usize, seed: u64) -> usize {
    let drawn = draw(&["profile", &seed.to_string(), &nth.to_string()]);
    let all: f64 = profiles.iter().map(|profile| profile.share).sum();
    let mut before = 0.0;
    let reached = |profile: &Profile| {
        before += profile.share / all;
        drawn < before
    };
    let last = profiles.len().saturating_sub(1);
    profiles.iter().position(reached).unwrap_or(last)
}

impl Certificate {
    /// What is issued at `at`, and lives as its profile says then.
    pub(super) fn issue(
        &mut self,
        nth: usize,
        profile: &Profile,
        windows: Option<Windows>,
        at: Timestamp,
    ) {
        self.issued += 1;
        let fingerprint = Fingerprint::of_der(format!("{nth}/{}", self.issued).as_bytes());
        let order = self.order();
        self.history.issued(at, &order, fingerprint);
        let not_before = at - BACKDATED;
        let not_after = not_before + profile.life(at) - SignedDuration::from_secs(1);
        self.suggested = windows.map(|windows| windows.answer(not_before, not_after));
        self.facts.current = Current::Issued(Issued {
            fingerprint,
            names: self.facts.wanted,
            not_before,
            not_after,
            share: Issued::share_of(fingerprint),
        });
    }

    /// The authority is asked when to renew it.
    pub(super) fn ask(&mut self, is_down: bool, at: Timestamp) {
        let Current::Issued(issued) = &self.facts.current else {
            return;
        };
        let of = issued.fingerprint;
        match self.suggested {
            _ if is_down => {
                let failure = AriFailure::Temporary { retry_after: None };
                self.history.ari_failed(at, of, failure);
            }
            Some(answer) => self.history.ari_answered(at, of, &answer),
            None => self.history.ari_failed(at, of, AriFailure::LongTerm),
        }
    }

    pub(super) fn issued(&self) -> Option<&Issued> {
        match &self.facts.current {
            Current::Issued(issued) => Some(issued),
            _ => None,
        }
    }

    pub(super) fn order(&self) -> Order {
        Order {
            authority: self.facts.authority,
            names: self.facts.wanted,
            replaced: self.issued().map(|issued| issued.fingerprint),
            exempt: false,
        }
    }

    /// Whether the site answers the challenge of its next order.
    pub(super) fn can_be_validated(&mut self, rules: &Rules, nth: usize, seed: u64) -> bool {
        self.orders += 1;
        let about = [seed.to_string(), nth.to_string(), self.orders.to_string()];
        let [seed, nth, orders] = &about;
        draw(&["validation", seed, nth, orders]) >= rules.validation_failures
    }

    /// As a node that was restarted has it: what was kept, and nothing else.
    ///
    /// # Errors
    /// When what was kept cannot be read, which is a fault of the program.
    pub(super) fn restart(&mut self) -> Result<(), serde_json::Error> {
        let kept = serde_json::to_string(&self.history)?;
        self.history = serde_json::from_str(&kept)?;
        self.paced = false;
        Ok(())
    }
}
