//! What the simulation finds, and that its model of an authority bites.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::decide::renewal::{Decision, Facts, History, Pace, Verdict, WhyDue, verdict};

fn simulation(rules: Rules) -> Simulation {
    Simulation {
        rules,
        certificates: 100,
        days: 365,
        outages: Vec::new(),
        restart_every: None,
        seed: 1,
        policy: verdict,
    }
}

fn outcome(simulation: &Simulation) -> Outcome {
    simulate(simulation).unwrap()
}

#[test]
fn a_year_with_let_s_encrypt_loses_nothing() {
    let year = outcome(&simulation(Rules::letsencrypt()));
    assert!(year.is_good(), "{year}");
    let certificates: u64 = year.profiles.iter().map(|of| of.certificates).sum();
    assert_eq!(certificates, 100);
    // The shortest lives 160 hours, and is renewed at about the half of them.
    let least = year.margin.min_margin_seconds.unwrap();
    assert!(least > 40 * 3600, "{year}");
}

#[test]
fn what_is_down_all_the_time_issues_nothing_and_that_is_not_good() {
    let found = outcome(&Simulation {
        days: 2,
        outages: vec!["0+60h".parse().unwrap()],
        ..simulation(Rules::letsencrypt())
    });
    assert_eq!((found.never_issued, found.expired), (100, 0), "{found}");
    assert!(!found.is_good());
}

#[test]
fn the_same_seed_has_the_same_outcome_and_another_has_not() {
    let first = outcome(&simulation(Rules::letsencrypt()));
    assert_eq!(first, outcome(&simulation(Rules::letsencrypt())));
    let other = Simulation {
        seed: 2,
        ..simulation(Rules::letsencrypt())
    };
    assert_ne!(first, outcome(&other));
}

#[test]
fn outages_restarts_and_an_authority_without_windows_are_lived_through() {
    let stormy = Simulation {
        outages: vec!["20+40h".parse().unwrap(), "60.5+72h".parse().unwrap()],
        restart_every: Some(SignedDuration::from_hours(30)),
        ..simulation(Rules::letsencrypt())
    };
    let found = outcome(&stormy);
    assert!(found.is_good(), "{found}");
    assert!(found.restarts > 280 && !found.failures.is_empty());
    let without = Rules {
        ari: None,
        ..Rules::letsencrypt()
    };
    let found = outcome(&simulation(without));
    assert!(found.is_good(), "{found}");
}

/// No policy can renew what no authority issues.
#[test]
fn an_outage_that_outlasts_a_life_is_seen_to_cost_it() {
    let dark = Simulation {
        outages: vec!["20+2400h".parse().unwrap()],
        ..simulation(Rules::letsencrypt())
    };
    let found = outcome(&dark);
    assert!(!found.is_good());
    assert!(found.profiles.iter().all(|of| of.expired > 0), "{found}");
    assert!(found.margin.min_margin_seconds.unwrap() < 0);
}

/// A policy that tries again as soon as it may, and remembers nothing but windows.
fn naive(facts: &Facts, history: &History, _: &Pace, now: Timestamp) -> Verdict {
    let looked = verdict(facts, history, &Pace::default(), now);
    let decision = match looked.decision {
        Decision::Held { why, .. } => Decision::Due { why, counts: true },
        decision => decision,
    };
    Verdict { decision, ..looked }
}

/// The control: the model of the limits bites.
#[test]
fn a_policy_without_patience_runs_into_limits() {
    let rules = Rules {
        validation_failures: 0.5,
        ..Rules::letsencrypt()
    };
    let careful = Simulation {
        certificates: 400,
        days: 3,
        ..simulation(rules)
    };
    let found = outcome(&careful);
    assert_eq!(found.limit_hits, 0, "{found}");
    let hasty = outcome(&Simulation {
        policy: naive,
        ..careful
    });
    let hit: Vec<_> = hasty.limits.keys().copied().collect();
    use super::authority::LimitName::{FailedValidations, OrdersPerAccount};
    assert!(hit.contains(&OrdersPerAccount), "{hasty}");
    assert!(hit.contains(&FailedValidations), "{hasty}");
    assert!(hasty.limit_hits > 100, "{hasty}");
}

/// A policy that renews again and again, as one with a fixed number of days does
/// where lives are shorter.
fn looping(facts: &Facts, history: &History, pace: &Pace, now: Timestamp) -> Verdict {
    let looked = verdict(facts, history, pace, now);
    let why = WhyDue::Age;
    Verdict {
        decision: Decision::Due { why, counts: true },
        ..looked
    }
}

#[test]
fn a_policy_that_loops_runs_into_the_limit_on_one_set() {
    let found = outcome(&Simulation {
        certificates: 3,
        days: 10,
        policy: looping,
        ..simulation(Rules::letsencrypt())
    });
    use super::authority::LimitName::CertificatesPerSet;
    assert!(found.limits.get(&CertificatesPerSet) > Some(&10), "{found}");
}

#[test]
fn rules_are_the_same_after_a_way_through_json() {
    let rules = Rules::letsencrypt();
    let text = serde_json::to_string_pretty(&rules).unwrap();
    assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), rules);
}

#[test]
fn the_page_shows_the_file_that_says_the_same_as_letsencrypt() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulate.md");
    let text = std::fs::read_to_string(page).unwrap();
    let json = text
        .split("```json")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let shown: Rules = serde_json::from_str(json).unwrap();
    assert_eq!(shown, Rules::letsencrypt());
}

#[test]
fn rules_that_make_no_sense_are_refused_with_what_was_expected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.json");
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut rules = serde_json::to_value(Rules::letsencrypt()).unwrap();
        change(&mut rules);
        std::fs::write(&path, rules.to_string()).unwrap();
        Rules::read(path.to_str().unwrap()).unwrap_err().to_string()
    };
    for (told, expected) in [
        (
            refused(&|it| it["profiles"] = serde_json::json!([])),
            "at least one profile",
        ),
        (
            refused(&|it| it["validation_failures"] = 1.0.into()),
            "below 1",
        ),
        (
            refused(&|it| it["limits"]["orders_per_account"]["count"] = 0.into()),
            "limits of 1",
        ),
        (refused(&|it| it["limit"] = 1.into()), "unknown field"),
        (
            refused(&|it| it["ari"]["length"] = 0.7.into()),
            "ari.length",
        ),
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let missing = Rules::read("no/such/file").unwrap_err().to_string();
    assert!(
        missing.contains("expected `letsencrypt` or a file"),
        "{missing}"
    );
}

/// The table of a small run, for the page that shows it.
#[test]
fn it_reads_well() {
    let small = Simulation {
        certificates: 40,
        days: 100,
        outages: vec!["40+72h".parse().unwrap()],
        restart_every: Some(SignedDuration::from_hours(240)),
        ..simulation(Rules::letsencrypt())
    };
    insta::assert_snapshot!(outcome(&small).to_string(), @r"
    40 certificates, 100 days, Let's Encrypt, seed 1, 10 restarts

    profile      certificates   renewals  expired  least left   most left
    classic                21         21        0      29d 2h     30d 19h
    tlsserver              15         45        0     14d 13h     15d 10h
    shortlived              4        120        0      2d 19h       3d 9h

    orders                             232
    most orders in an hour              41
    questions for the time           16434
    failed, no answer                   12
    failed, validation                   6
    refused by a limit                   0
    never issued                         0
    expired                              0
    ");
}
