//! Schedules as crontab(5) writes them, and durations as Docker writes them.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// A crontab(5) schedule (five fields) in a time zone.
///
/// A moment that a change of clocks skips is run at the change; one that it
/// repeats is run once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(crate) struct Schedule {
    written: Written,
    cron: Cron,
    zone: TimeZone,
}

/// A schedule as a person writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    cron: String,
    time_zone: String,
}

impl TryFrom<Written> for Schedule {
    type Error = ScheduleError;

    fn try_from(written: Written) -> Result<Self, ScheduleError> {
        Self::parse(&written.cron, &written.time_zone)
    }
}

impl From<Schedule> for Written {
    fn from(schedule: Schedule) -> Self {
        schedule.written
    }
}

/// Why a text is not a schedule.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    /// Not five fields of crontab(5).
    #[error(
        "{text:?} is not a schedule: expected the five fields of crontab(5), \
         such as \"17 3,15 * * *\" (minute, hour, day of month, month, day of week): {why}"
    )]
    Pattern { text: String, why: String },
    /// The pattern can never match, such as 30 February.
    #[error("{text:?} is not a schedule: it never comes round")]
    Never { text: String },
    /// Not the name of a time zone.
    #[error(
        "{0:?} is not a time zone: expected an IANA name, such as \"Europe/Berlin\" or \"UTC\""
    )]
    Zone(String),
}

impl Schedule {
    /// Parses five crontab(5) fields and an IANA time zone name.
    pub(crate) fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let wrong = |why: String| ScheduleError::Pattern {
            text: text.to_owned(),
            why,
        };
        let fields = text.split_whitespace().count();
        if fields != 5 && !text.trim().starts_with('@') {
            return Err(wrong(format!("found {fields} fields")));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(text)
            .map_err(|error| wrong(error.to_string()))?;
        let written = Written {
            cron: text.to_owned(),
            time_zone: zone.to_owned(),
        };
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        let schedule = Self {
            written,
            cron,
            zone,
        };
        // A leap day comes round within eight years, so a date that does not
        // from a fixed start never will.
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never {
                text: text.to_owned(),
            }),
        }
    }

    /// The first moment after `time` that the schedule names.
    pub(crate) fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let from: Zoned = time.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp())
    }
}

/// Parses a duration as Docker's stack files write it: `30s`, `1m30s`, `2h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 30s, 1m30s or 2h, found {text:?}");
    let span: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pattern: &str, zone: &str, time: &str) -> String {
        Schedule::parse(pattern, zone)
            .unwrap()
            .next_after(time.parse().unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn means_what_crontab_means() {
        // Day of week 0 and 7 are Sunday; 2026-11-29 is one.
        let start = "2026-11-24T00:00:00Z";
        assert_eq!(after("0 3 * * 0", "UTC", start), "2026-11-29T03:00:00Z");
        assert_eq!(after("0 3 * * 7", "UTC", start), "2026-11-29T03:00:00Z");
        assert_eq!(after("0 3 * * sun", "UTC", start), "2026-11-29T03:00:00Z");
        // Day of month and day of week both given: either will do.
        assert_eq!(after("0 3 1 * 5", "UTC", start), "2026-11-27T03:00:00Z");
        assert_eq!(after("17 3,15 * * *", "UTC", start), "2026-11-24T03:17:00Z");
    }

    #[test]
    fn follows_its_time_zone_through_a_change_of_clocks() {
        // 02:30 does not exist in Berlin on 2026-03-29, and exists twice on 2026-10-25.
        let skipped = after("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert!(skipped.starts_with("2026-03-29T01:"), "{skipped}");
        let first = after("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(first, "2026-10-25T00:30:00Z");
        assert_eq!(
            after("30 2 * * *", "Europe/Berlin", &first),
            "2026-10-26T01:30:00Z",
            "the repeated half hour runs once"
        );
    }

    #[test]
    fn refuses_with_what_was_expected() {
        for pattern in ["", "* * * *", "0 0 3 * * *", "61 * * * *", "noon"] {
            let message = Schedule::parse(pattern, "UTC").unwrap_err().to_string();
            assert!(message.contains("five fields of crontab(5)"), "{message}");
        }
        let message = Schedule::parse("0 3 30 2 *", "UTC")
            .unwrap_err()
            .to_string();
        assert!(message.contains("never comes round"), "{message}");
        let message = Schedule::parse("0 3 * * *", "Mars/Olympus")
            .unwrap_err()
            .to_string();
        assert!(message.contains("IANA name"), "{message}");
    }

    #[test]
    fn durations_are_docker_s() {
        assert_eq!(parse_duration("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(parse_duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("2h").unwrap(), Duration::from_secs(7200));
        for text in ["", "30", "-5s", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
