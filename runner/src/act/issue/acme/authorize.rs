//! Proving that the names of an order are ours.

use std::collections::BTreeSet;

use instant_acme::{
    AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Order, OrderStatus,
};
use tokio::time::Instant;

use super::answer::{Answers, Presented};
use super::error::{AcmeError, AcmeErrorClass as Class, AcmeSubproblem};
use super::nonce::with_fresh_nonces;
use super::order::{FIRST_PAUSE, Session};
use crate::act::issue::challenge::{Answer, check_answer};
use crate::act::issue::dns::{DnsError, Proof, Solver, Written};
use crate::act::step::NamedStep;
use crate::model::Challenge;

/// How challenges are answered.
pub(super) enum Way {
    /// By a file (http-01).
    File(Answers),
    /// By a record (dns-01).
    Record(Solver),
}

impl Session<'_> {
    /// Proves that the names are ours, until the order is ready.
    pub(super) async fn authorize(&self, order: &mut Order) -> Result<(), AcmeError> {
        let wanted = self.wanted(order).await?;
        match &self.way {
            _ if wanted.is_empty() => self.until_ready(order).await,
            Way::File(answers) => self.by_file(order, answers, wanted).await,
            Way::Record(solver) => self.by_record(order, solver, wanted).await,
        }
    }

    /// What proves the names that are not proved yet.
    async fn wanted(&self, order: &mut Order) -> Result<Vec<Wanted>, AcmeError> {
        let kind = kind_of(self.request.challenge);
        let wanted = with_fresh_nonces(async || challenges(order, &kind).await).await;
        let wanted = wanted.map_err(|error| self.failed("read the authorizations", &error))?;
        let offered = wanted.into_iter().map(|(name, wanted)| {
            wanted.ok_or_else(|| {
                let why = format!(
                    "the authority offers no {} for {name}; see rollover.challenge",
                    self.request.challenge
                );
                AcmeError::new(Class::Refused, "answer a challenge", why)
            })
        });
        offered.collect()
    }

    /// The authority is told when every replica gives the answers.
    async fn by_file(
        &self,
        order: &mut Order,
        answers: &Answers,
        wanted: Vec<Wanted>,
    ) -> Result<(), AcmeError> {
        let mut presented: Vec<(String, Answer, Presented)> = Vec::new();
        for Wanted { name, proof } in wanted {
            let (token, text) = (proof.token, proof.key_authorization);
            let guard = answers.present(&token, &text)?;
            presented.push((name, Answer { token, text }, guard));
        }
        for (name, answer, _) in &presented {
            check_answer(&self.request.replicas, answer, answers.from())
                .await
                .map_err(|error| {
                    let doing = format!("check the answer for {name}");
                    AcmeError::new(Class::Local, doing, error.to_string())
                })?;
        }
        self.passed(NamedStep::ChallengeChecked).await;
        self.say_ready(order).await?;
        self.until_ready(order).await
    }

    /// The authority is told when every server of the zones shows the records. They
    /// are removed, whatever came of it.
    async fn by_record(
        &self,
        order: &mut Order,
        solver: &Solver,
        wanted: Vec<Wanted>,
    ) -> Result<(), AcmeError> {
        let mut written = Written::default();
        let proved = self.prove(order, solver, wanted, &mut written).await;
        solver.remove(written).await;
        proved
    }

    async fn prove(
        &self,
        order: &mut Order,
        solver: &Solver,
        wanted: Vec<Wanted>,
        written: &mut Written,
    ) -> Result<(), AcmeError> {
        let names: Vec<String> = wanted.iter().map(|it| it.name.clone()).collect();
        let proofs = wanted.into_iter().map(|it| it.proof).collect();
        let limit = self.deadline.saturating_duration_since(Instant::now());
        self.request.fence.pass().await;
        let presented = solver.present(proofs, written, limit).await;
        presented.map_err(|error| unproved(&names, &error))?;
        self.passed(NamedStep::ChallengeChecked).await;
        self.say_ready(order).await?;
        self.until_ready(order).await
    }

    async fn say_ready(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut told = BTreeSet::new();
        let kind = kind_of(self.request.challenge);
        let said = with_fresh_nonces(async || say_ready(order, &kind, &mut told).await).await;
        said.map_err(|error| self.failed("have a challenge validated", &error))
    }

    async fn until_ready(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let looked =
                with_fresh_nonces(async || order.refresh().await.map(|state| state.status)).await;
            match looked.map_err(|error| self.failed("look at the order", &error))? {
                OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => return Ok(()),
                OrderStatus::Invalid => return Err(self.why_invalid(order).await),
                OrderStatus::Pending => {
                    self.wait(&mut pause, "the names are not validated").await?;
                }
            }
        }
    }

    /// What the authority saw when it looked for the answers.
    async fn why_invalid(&self, order: &mut Order) -> AcmeError {
        let mut found: Option<(String, instant_acme::Problem)> = None;
        let mut others = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            // It was read while it was pending.
            if authorization.refresh().await.is_err() {
                continue;
            }
            let name = authorization.identifier().to_string();
            let mut challenges = authorization.challenges.iter();
            let Some(problem) = challenges.find_map(|it| it.error.clone()) else {
                continue;
            };
            match &found {
                None => found = Some((name, problem)),
                Some(_) => others.push((name, problem)),
            }
        }
        match found {
            Some((name, problem)) => {
                let doing = format!("prove that {name} is ours");
                let error = AcmeError::told(Some(Class::ValidationFailed), doing, &problem);
                let error = error.by(self.request.challenge);
                error.with_others(others.iter().map(|(name, it)| AcmeSubproblem::of(name, it)))
            }
            None => self.invalid(order),
        }
    }
}

fn unproved(names: &[String], error: &DnsError) -> AcmeError {
    AcmeError::of_dns(format!("answer dns-01 for {}", names.join(", ")), error)
}

/// The library's word for it.
fn kind_of(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

/// A challenge that is to be answered.
struct Wanted {
    /// The name, as the order has it.
    name: String,
    proof: Proof,
}

/// The challenges of all names that are not proved yet; none for a name of which
/// that kind is not offered.
async fn challenges(
    order: &mut Order,
    kind: &ChallengeType,
) -> Result<Vec<(String, Option<Wanted>)>, Error> {
    let mut wanted = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let challenge = authorization.challenge(kind.clone());
        let this = challenge.map(|challenge| {
            let answer = challenge.key_authorization();
            let domain = name.strip_prefix("*.").unwrap_or(&name);
            let proof = Proof {
                domain: domain.to_owned(),
                token: challenge.token.clone(),
                value: answer.dns_value(),
                key_authorization: answer.as_str().to_owned(),
            };
            let name = name.clone();
            Wanted { name, proof }
        });
        wanted.push((name, this));
    }
    Ok(wanted)
}

/// Tells the authority that the answers are there, but not of those in `told`.
async fn say_ready(
    order: &mut Order,
    kind: &ChallengeType,
    told: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let url = authorization.url().to_owned();
        if told.contains(&url) {
            continue;
        }
        // An earlier attempt may have told of it.
        if let Some(mut challenge) = authorization.challenge(kind.clone())
            && challenge.status == ChallengeStatus::Pending
        {
            challenge.set_ready().await?;
        }
        told.insert(url);
    }
    Ok(())
}
