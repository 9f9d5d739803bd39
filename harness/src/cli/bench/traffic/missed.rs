//! What a client that keeps its schedule has none of.

use rollover_lab::traffic::{Dishonest, Record};

/// How many requests were lost, late, or started off the schedule by more than an honest
/// client may.
pub(super) fn missed(record: &Record) -> usize {
    let late = record.outcomes.iter().filter(|it| record.is_late(it));
    record.lost() + late.count() + off_schedule(&record.honest())
}

fn off_schedule(honest: &Result<(), Dishonest>) -> usize {
    match honest {
        // What was not sent is among the lost.
        Ok(()) | Err(Dishonest::NotSent { .. }) => 0,
        Err(Dishonest::Late { late, .. }) => *late,
        Err(Dishonest::Nothing) => 1,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use rollover_lab::traffic::{Lane, Outcome, Plan};

    use super::*;

    /// A record of requests that are all answered at once, but for the last, whose answer
    /// took so long.
    pub(in super::super) fn record(requests: u64, last: Duration) -> Record {
        let outcome = |sequence| {
            let mut outcome =
                Outcome::planned("new".into(), "nginx".into(), sequence, Duration::ZERO);
            outcome.status = Some(200);
            outcome
        };
        let mut outcomes: Vec<_> = (0..requests).map(outcome).collect();
        if let Some(outcome) = outcomes.last_mut() {
            outcome.ended = last;
        }
        Record {
            plan: Plan::new(Vec::new(), "localhost").lane(Lane::new_connections("new", 1)),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            duration: Duration::from_secs(requests),
            warm_up: Vec::new(),
            outcomes,
        }
    }

    #[test]
    fn nothing_is_missed_where_all_are_answered_in_time() {
        assert_eq!(missed(&record(3, Duration::ZERO)), 0);
        assert_eq!(missed(&record(3, Duration::from_secs(2))), 1, "one is late");
        assert_eq!(missed(&record(0, Duration::ZERO)), 1, "nothing was sent");
    }

    #[test]
    fn a_client_that_does_not_keep_its_schedule_has_missed_something() {
        let mut record = record(3, Duration::ZERO);
        for outcome in &mut record.outcomes {
            outcome.started = Duration::from_millis(200);
            outcome.ended = Duration::from_millis(200);
        }
        assert_eq!(missed(&record), 3);
    }
}
