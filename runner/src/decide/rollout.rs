//! Whether a target's replicas are to be made to serve what is published.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::hold::{Held, held};
use super::plan::{
    Canary, Deferred, Expected, Named, NotMended, ObtainedBefore, Occasion, Plan, Problem,
    RolloutStep, Stale,
};
use super::secret::{self, Secrets};
use super::standing::{Flaw, Standing, standing, target_in_step};
use super::{Memory, issue};
use crate::model::{CertificateName, Fingerprint, Leaf, Replica, Serving, Strategy};
use crate::observe::{ReplicaView, Snapshot, TargetView};

/// Adds to `plan` what to do about one target, and what is wrong with it.
pub(super) fn decide(
    plan: &mut Plan,
    snapshot: &Snapshot,
    view: &TargetView,
    memory: &Memory,
    occasion: &Occasion<'_>,
    now: Timestamp,
) {
    plan.problems.extend(public(snapshot, view, now));
    let step = step(plan, snapshot, view, memory, now, Touch::Stale);
    let (target, under_way) = (&view.target, &occasion.under_way);
    if under_way.rolled_out.contains(&target.name) {
        plan.rolled_out.push(target.name.clone());
        return;
    }
    let Some(step) = step else {
        return;
    };
    let mut wanted = target.certificates.iter().map(|spec| &spec.name);
    if let Some(obtained) = wanted.find(|name| under_way.obtained.contains(name)) {
        plan.obtained_before.push(ObtainedBefore {
            target: target.name.clone(),
            certificate: obtained.clone(),
        });
        return;
    }
    match deferred(&step, now) {
        None => plan_or_hold(plan, view, memory, now, step),
        Some(Waits::Soon(deferred)) => plan.deferred.push(deferred),
        Some(Waits::Long(problem)) => plan.problems.push(problem),
    }
}

/// What a person wants by forcing a rollout: every replica is told or replaced,
/// also one that serves what is published, at once and in any hour. What makes a
/// rollout unsafe still holds it back; why, if there is no step.
pub(super) fn forced(
    snapshot: &Snapshot,
    view: &TargetView,
    now: Timestamp,
) -> Result<RolloutStep, Vec<Problem>> {
    let (mut plan, memory) = (Plan::default(), Memory::default());
    let step = step(&mut plan, snapshot, view, &memory, now, Touch::All);
    // Where nothing is expected of them, touching replicas proves nothing.
    let step = step.filter(|step| !step.expected.is_empty() || step.secrets.is_some());
    if step.is_none() && plan.problems.is_empty() {
        plan.problems.push(Problem::NobodyToTell {
            target: view.target.name.clone(),
        });
    }
    step.ok_or(plan.problems)
}

/// Which replicas a rollout is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// Those that serve something else than is published.
    Stale,
    /// All that serve.
    All,
}

/// Plans `step`, if neither an earlier failure nor a window holds it back.
fn plan_or_hold(
    plan: &mut Plan,
    view: &TargetView,
    memory: &Memory,
    now: Timestamp,
    step: RolloutStep,
) {
    let target = &view.target;
    // What a service that names no secrets starts finds no certificate: that
    // waits for no window.
    let broken = step.names_no_secrets();
    let held = |at| held(view, &step.stale, at).filter(|_| !broken);
    let hold = held(now);
    let attempted = step.attempted();
    match memory.held_until(&attempted) {
        Some(until) if now < until => plan.problems.push(Problem::RolloutHeld {
            target: target.name.clone(),
            // Not before its window either.
            until: held(until).map_or(until, |(until, _)| until),
            why: memory.why(&attempted).unwrap_or_default().to_owned(),
        }),
        _ => match hold {
            Some((until, because)) => plan.held.push(Held {
                target: target.name.clone(),
                until,
                because,
                stale: step.stale,
            }),
            None => plan.rollouts.push(step),
        },
    }
}

/// What the public gets though every replica is as it should be. While they are
/// not, it is no news.
fn public(snapshot: &Snapshot, view: &TargetView, now: Timestamp) -> Vec<Problem> {
    let Some(public) = view.public.as_ref() else {
        return Vec::new();
    };
    if !target_in_step(snapshot, view, now) {
        return Vec::new();
    }
    let problem = |(name, serving)| {
        let found = match standing(snapshot, name, Some(serving), now) {
            Standing::Serving => return None,
            other => other.to_string(),
        };
        Some(Problem::Public {
            name: name.clone(),
            target: view.target.name.clone(),
            address: public.address.clone(),
            found,
        })
    };
    public.serving.iter().filter_map(problem).collect()
}

/// What would make the replicas of a target serve what is published, if they do
/// not. Only a difference of fingerprints, seen by a probe, is a reason to touch
/// replicas; that an engine ran is none.
///
/// A signal or a restart loads every certificate that the target serves. So if
/// one of them must not be loaded, none is.
fn step(
    plan: &mut Plan,
    snapshot: &Snapshot,
    view: &TargetView,
    memory: &Memory,
    now: Timestamp,
    touch: Touch,
) -> Option<RolloutStep> {
    let (mut expected, mut stale, mut not_mended) = (Vec::new(), Vec::new(), Vec::new());
    let by_signal = matches!(view.target.strategy, Strategy::Signal { .. });
    let Secrets {
        step: secrets,
        problems,
        incomplete,
    } = secret::secrets(snapshot, view, now);
    let mut safe = problems.is_empty() && !incomplete;
    plan.problems.extend(problems);
    for wanted in &view.target.certificates {
        let name = &wanted.name;
        let Some(certificate) = snapshot.certificates.get(name) else {
            continue;
        };
        safe &= issue::problem(snapshot, name, certificate, memory, now).is_none();
        let look = Look {
            snapshot,
            view,
            name,
            published: certificate.published.leaf(),
            held_back: memory.held_back(name).map(|it| it.fingerprint),
        };
        let compared = look.compare(now, &mut plan.problems);
        let Some(leaf) = look.published else {
            continue;
        };
        safe &= compared.safe;
        // Where another certificate is served, a rollout could mend nothing, and
        // would prove nothing; unless some serve this one, who can be told apart.
        if compared.others.is_empty() || (by_signal && compared.is_served) {
            not_mended.extend(compared.others);
            stale.extend(match touch {
                Touch::Stale => compared.stale,
                Touch::All => look.all(),
            });
            expected.push(Expected {
                certificate: name.clone(),
                leaf: leaf.clone(),
            });
        }
    }
    let named = secrets.as_ref().map(|secrets| &secrets.named);
    let forced = touch == Touch::All;
    let nothing_to_do = !forced && stale.is_empty() && named.is_none_or(|it| *it == Named::Current);
    if let Some(problem) = stopped(view, named, nothing_to_do) {
        plan.problems.push(problem);
        return None;
    }
    if nothing_to_do || !safe {
        return None;
    }
    let mut step = RolloutStep {
        target: view.target.clone(),
        expected,
        stale,
        secrets,
        canary: None,
        out_of_reach: Vec::new(),
        not_mended,
        forced,
    };
    if by_signal {
        plan.problems.extend(leave_out_of_reach(&mut step, view));
        let failures = memory.failures(&step.attempted());
        let failures = failures.max(memory.times_refused(&step));
        step.canary = canary(&step, view, failures);
        step.tasks().next()?;
    }
    Some(step)
}

/// An update that swarm has given up, which another would wipe out, and go on to
/// the next replica. One of the runner's own is always told; one of somebody
/// else's only if it is in the way.
fn stopped(view: &TargetView, named: Option<&Named>, nothing_to_do: bool) -> Option<Problem> {
    let by_signal = matches!(view.target.strategy, Strategy::Signal { .. });
    if by_signal || matches!(named, Some(Named::Nothing(_))) {
        return None;
    }
    let update = &view.target.update;
    let state = update.stopped()?;
    (update.rollout || !nothing_to_do).then(|| Problem::UpdateStopped {
        target: view.target.name.clone(),
        state: state.to_owned(),
        message: update.message.clone(),
    })
}

/// How long somebody else's update may take before a person should know that a
/// rollout waits for it.
const LASTING: SignedDuration = SignedDuration::from_mins(15);

/// Why `step` must wait, if another update is under way: replicas that it has
/// replaced already may have read the files of before, and an update that is
/// started over it would put an end to its watch.
///
/// One that takes the secrets from a service is not waited for: it cannot come
/// to a good end, because what it starts finds no certificate. The runner's own,
/// from before a crash, is followed, if it leads to what is published now.
fn deferred(step: &RolloutStep, now: Timestamp) -> Option<Waits> {
    let update = &step.target.update;
    if !update.is_running() {
        return None;
    }
    let named = step.secrets.as_ref().map(|secrets| &secrets.named);
    let goes_on = match (&step.target.strategy, named) {
        (Strategy::Signal { .. }, _) | (_, Some(Named::Nothing(_))) => true,
        (_, Some(Named::Older)) => false,
        (_, Some(Named::Current) | None) => update.rollout,
    };
    if goes_on {
        return None;
    }
    let target = step.target.name.clone();
    match update.started_at {
        Some(since) if now.duration_since(since) > LASTING => {
            Some(Waits::Long(Problem::UpdateLasts { target, since }))
        }
        _ => Some(Waits::Soon(Deferred { target })),
    }
}

/// How long a rollout has waited.
enum Waits {
    Soon(Deferred),
    Long(Problem),
}

/// A job does not reach every node. Those of its replicas are left out, for one
/// node must not hold back all others.
fn leave_out_of_reach(step: &mut RolloutStep, view: &TargetView) -> Vec<Problem> {
    let stale = |task: &str| step.stale.iter().any(|stale| stale.task == task);
    let mut problems = Vec::new();
    for ReplicaView { replica, .. } in &view.replicas {
        let Some(why) = replica.no_jobs.filter(|_| stale(&replica.task)) else {
            continue;
        };
        step.out_of_reach.push(replica.task.clone());
        problems.push(Problem::OutOfReach {
            target: view.target.name.clone(),
            replica: replica.name(),
            node: replica.node.clone(),
            why,
        });
    }
    problems
}

/// The replica to go first: a bad certificate, or a server that will not load
/// it, then harms one. After a failure it is the next one's turn, so that one
/// sick replica does not hold back all others for ever.
fn canary(step: &RolloutStep, view: &TargetView, failures: usize) -> Option<Canary> {
    let serves_all = |replica: &&ReplicaView| {
        step.expected.iter().all(|expected| {
            let served = replica.serving.get(&expected.certificate);
            let served = served.and_then(Serving::leaf);
            served.is_some_and(|leaf| leaf.fingerprint == expected.leaf.fingerprint)
        })
    };
    if view.replicas.iter().any(|replica| serves_all(&replica)) {
        return None;
    }
    let tasks: BTreeSet<&str> = step.tasks().collect();
    let not_mended = step.tasks_not_mended();
    let candidates: Vec<&Replica> = view
        .replicas
        .iter()
        .map(|view| &view.replica)
        .filter(|replica| tasks.contains(replica.task.as_str()))
        .filter(|replica| !not_mended.contains(replica.task.as_str()))
        .collect();
    if candidates.len() < 2 {
        return None;
    }
    let replica = candidates[failures % candidates.len()];
    Some(Canary {
        task: replica.task.clone(),
        replica: replica.name(),
        address: replica.endpoint(view.target.probe.port)?,
        network: replica.network().map(str::to_owned),
    })
}

/// How the replicas compare with one certificate that is published.
struct Compared {
    /// Those that serve another version.
    stale: Vec<Stale>,
    /// Those that answer with some other certificate.
    others: Vec<NotMended>,
    /// Some answer with this one, in whatever version.
    is_served: bool,
    /// Loading what is published harms none of them.
    safe: bool,
}

/// One certificate of one target.
struct Look<'a> {
    snapshot: &'a Snapshot,
    view: &'a TargetView,
    name: &'a CertificateName,
    published: Option<&'a Leaf>,
    /// A version that is known to be newer, and not published for that reason.
    held_back: Option<Fingerprint>,
}

impl Look<'_> {
    /// Every replica that was seen to serve, with what it serves.
    fn all(&self) -> Vec<Stale> {
        let served = self.view.replicas.iter().filter_map(|view| {
            let leaf = view.serving.get(self.name).and_then(Serving::leaf)?;
            Some((&view.replica, leaf.fingerprint))
        });
        let stale = served.map(|(replica, serves)| Stale {
            certificate: self.name.clone(),
            task: replica.task.clone(),
            replica: replica.name(),
            serves,
        });
        stale.collect()
    }

    fn compare(&self, now: Timestamp, problems: &mut Vec<Problem>) -> Compared {
        let mut compared = Compared {
            stale: Vec::new(),
            others: Vec::new(),
            is_served: false,
            safe: true,
        };
        for replica in &self.view.replicas {
            let serving = replica.serving.get(self.name);
            let standing = standing(self.snapshot, self.name, serving, now);
            match &standing {
                Standing::Stale { serves } => {
                    compared.is_served = true;
                    compared.safe &= self.may_replace(replica, now);
                    compared.stale.push(Stale {
                        certificate: self.name.clone(),
                        task: replica.replica.task.clone(),
                        replica: replica.replica.name(),
                        serves: *serves,
                    });
                }
                Standing::Wrong { flaws, .. } => {
                    let has = |flaw: fn(&Flaw) -> bool| flaws.iter().any(flaw);
                    if has(|flaw| matches!(flaw, Flaw::Another(_))) {
                        compared.others.push(NotMended {
                            certificate: self.name.clone(),
                            task: replica.replica.task.clone(),
                        });
                    } else {
                        compared.is_served = true;
                    }
                    compared.safe &= !has(|flaw| matches!(flaw, Flaw::Newer));
                }
                Standing::Serving => compared.is_served = true,
                Standing::Unreachable { .. } => {}
            }
            problems.extend(self.problem(replica, standing));
        }
        compared
    }

    /// Whether an expired certificate would replace one that is not a
    /// placeholder: it is said for the certificate already.
    fn may_replace(&self, replica: &ReplicaView, now: Timestamp) -> bool {
        let served = replica.serving.get(self.name).and_then(|it| it.leaf());
        let expired = self.published.is_some_and(|leaf| leaf.not_after < now);
        !expired || served.is_some_and(|leaf| leaf.placeholder)
    }

    /// What a person should know of this replica. One that is on its way is no
    /// problem yet, and one that is stale is what a rollout is for.
    fn problem(&self, replica: &ReplicaView, standing: Standing) -> Option<Problem> {
        let (name, target) = (self.name.clone(), self.view.target.name.clone());
        let (running, replica) = (replica.replica.running, replica.replica.name());
        let (serves, flaws) = match standing {
            Standing::Unreachable { why } if running => {
                return Some(Problem::Unreachable {
                    name,
                    target,
                    replica,
                    why,
                });
            }
            Standing::Wrong { serves, flaws } => (serves, flaws),
            _ => return None,
        };
        // That nothing is published, that it expired, or that its names have
        // changed is said once for the certificate, and dealt with there.
        flaws.into_iter().find_map(|flaw| match flaw {
            Flaw::Another(_) => Some(Problem::ServesAnother {
                name: name.clone(),
                target: target.clone(),
                replica: replica.clone(),
                serves,
            }),
            // A root that lost it is said for the certificate.
            Flaw::Newer if self.published.is_none_or(|leaf| leaf.placeholder) => None,
            // It is published next, because a replica serves it.
            Flaw::Newer if self.held_back == Some(serves) => None,
            Flaw::Newer => Some(Problem::ServesNewer {
                name: name.clone(),
                target: target.clone(),
                replica: replica.clone(),
            }),
            Flaw::Chain(flaw) => Some(Problem::Chain {
                name: name.clone(),
                target: target.clone(),
                replica: replica.clone(),
                flaw,
            }),
            Flaw::NothingPublished
            | Flaw::Names(_)
            | Flaw::ExpiredAt(_)
            | Flaw::NotValidBefore(_) => None,
        })
    }
}
