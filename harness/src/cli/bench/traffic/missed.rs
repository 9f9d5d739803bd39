//! What there is none of where the schedule is kept, and whose doing it was.

use rollover_lab::traffic::{Dishonest, Record};

/// How many requests were not sent, or started off the schedule by more than an honest
/// client may.
pub(super) fn by_the_client(record: &Record) -> usize {
    match record.honest() {
        Ok(()) => 0,
        Err(Dishonest::NotSent { count, .. }) => count,
        Err(Dishonest::Late { late, .. }) => late,
        Err(Dishonest::Nothing) => 1,
    }
}

/// How many were sent, and answered late or never.
pub(super) fn by_the_server(record: &Record) -> usize {
    let late = record.outcomes.iter().filter(|it| record.is_late(it));
    let not_sent = match record.honest() {
        Err(Dishonest::NotSent { count, .. }) => count,
        _ => 0,
    };
    late.count() + record.lost() - not_sent
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
            machine: Vec::new(),
            outcomes,
        }
    }

    #[test]
    fn nothing_is_missed_where_all_are_answered_in_time() {
        let missed = |record: &Record| (by_the_client(record), by_the_server(record));
        assert_eq!(missed(&record(3, Duration::ZERO)), (0, 0));
        assert_eq!(missed(&record(3, Duration::from_secs(2))), (0, 1));
        assert_eq!(
            missed(&record(0, Duration::ZERO)),
            (1, 0),
            "nothing was sent"
        );
    }

    #[test]
    fn a_client_that_does_not_keep_its_schedule_has_missed_something() {
        let mut record = record(3, Duration::ZERO);
        for outcome in &mut record.outcomes {
            outcome.started = Duration::from_millis(200);
            outcome.ended = Duration::from_millis(200);
        }
        assert_eq!((by_the_client(&record), by_the_server(&record)), (3, 0));
    }
}
