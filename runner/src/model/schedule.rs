//! Schedules as crontab(5) writes them, and durations as Docker writes them.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// A crontab(5) schedule (five fields) in a time zone.
///
/// A moment that a change of clocks skips is run at the change; one that it
/// repeats is run once. One that names every hour has no such moments: it runs by
/// what a clock on the wall shows, and so twice in an hour that comes twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(crate) struct Schedule {
    written: Written,
    cron: Cron,
    every_hour: bool,
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
            every_hour: cron.pattern.hours.values().len() == 24,
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
        if self.every_hour {
            let next = self.cron.find_next_occurrence(&from, false).ok()?;
            return Some(next.timestamp());
        }
        // croner knows changes of clocks only for one minute of one hour: of a list
        // of hours, it skips what the clocks skip, and repeats what they repeat.
        // So it is asked about the wall, where no clock changes.
        let mut wall = from.datetime();
        loop {
            wall = self.next_on_the_wall(wall)?;
            let moment = self.moment(wall)?;
            if time < moment {
                return Some(moment);
            }
        }
    }

    fn next_on_the_wall(&self, wall: DateTime) -> Option<DateTime> {
        let from = wall.to_zoned(TimeZone::UTC).ok()?;
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.datetime())
    }

    /// When the wall shows that: the first time, if it does so twice; the moment of
    /// the change, if it never does.
    fn moment(&self, wall: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        let is_skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let earlier = ambiguous.earlier().ok()?;
        if is_skipped {
            let change = self.zone.following(earlier).next()?;
            return Some(change.timestamp());
        }
        Some(earlier)
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
    use proptest::prelude::*;

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

    fn runs(pattern: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let schedule = Schedule::parse(pattern, zone).unwrap();
        let (mut time, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let next = std::iter::from_fn(|| {
            time = schedule.next_after(time)?;
            (time < to).then(|| time.to_string())
        });
        next.collect()
    }

    /// As crontab(5) says of jobs at set times. 02:30 does not exist in Berlin on
    /// 2026-03-29, and exists twice on 2026-10-25.
    #[test]
    fn a_list_of_hours_neither_skips_nor_repeats() {
        let spring = ["2026-03-28T20:00:00Z", "2026-03-29T20:00:00Z"];
        let autumn = ["2026-10-24T20:00:00Z", "2026-10-25T20:00:00Z"];
        let twice = |[from, to]: [&str; 2]| runs("30 2,14 * * *", "Europe/Berlin", from, to);
        assert_eq!(
            twice(spring),
            ["2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"]
        );
        assert_eq!(
            twice(autumn),
            ["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"]
        );
        // Several that are skipped are one run.
        let often = |[from, to]: [&str; 2]| runs("*/20 2 * * *", "Europe/Berlin", from, to);
        assert_eq!(often(spring), ["2026-03-29T01:00:00Z"]);
        assert_eq!(often(autumn).len(), 3);
    }

    #[test]
    fn every_hour_is_every_hour_that_passes() {
        for (from, to) in [
            ("2026-03-28T20:00:00Z", "2026-03-29T20:00:00Z"),
            ("2026-10-24T20:00:00Z", "2026-10-25T20:00:00Z"),
        ] {
            let hourly = runs("30 * * * *", "Europe/Berlin", from, to);
            assert_eq!(hourly.len(), 24, "{hourly:?}");
            assert!(hourly.iter().all(|time| time.ends_with(":30:00Z")));
        }
    }

    /// Zones that change at night, at midnight, by half an hour, and by a day:
    /// Samoa had no 30 December in 2011.
    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/Asuncion",
        "Africa/Cairo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// As many runs in a year as days in the calendar, or twice that.
        #[test]
        fn no_year_of_any_zone_skips_or_repeats_a_run(
            zone in prop::sample::select(&ZONES[..]),
            year in 2008..2034_i16,
            minute in 0..60_u8,
            hour in 0..24_u8,
            later in prop::option::of(1..24_u8),
        ) {
            let second = later.map(|later| (hour + later) % 24);
            let hours = second.map_or(hour.to_string(), |second| format!("{hour},{second}"));
            let schedule = Schedule::parse(&format!("{minute} {hours} * * *"), zone).unwrap();
            let begin = |year: i16| {
                let date = jiff::civil::date(year, 1, 1).at(0, 0, 0, 0);
                schedule.zone.to_ambiguous_timestamp(date).compatible().unwrap()
            };
            let end = begin(year + 1);
            let mut time = begin(year) - jiff::SignedDuration::from_secs(1);
            let mut found = 0;
            while let Some(next) = schedule.next_after(time).filter(|next| *next < end) {
                prop_assert!(next > time);
                let between = time + (next.duration_since(time) / 2);
                prop_assert_eq!(schedule.next_after(between), Some(next));
                (time, found) = (next, found + 1);
            }
            let each = 1 + usize::from(second.is_some());
            let days = jiff::civil::date(year, 1, 1).days_in_year();
            let wanted = usize::try_from(days).unwrap() * each;
            // Of the two runs of Samoa's missing day, one is made.
            let missing = usize::from(zone == "Pacific/Apia" && year == 2011 && each == 2);
            prop_assert_eq!(found, wanted - missing);
        }
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
