//! Maintenance windows: when a target's replicas may be touched.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Schedule, ScheduleError, parse_duration};

/// A window opens whenever a crontab(5) schedule comes round, and stays open for
/// a duration: `0 2 * * *;3h;Europe/Berlin`.
///
/// The duration is time that passes, not what a clock on the wall shows: three
/// hours are three hours also in the night in which the clocks change.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    text: String,
    opens: Schedule,
    length: SignedDuration,
}

/// Why a text is no window.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WindowError {
    #[error("found {0} of two or three parts between semicolons")]
    Parts(usize),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error("{0}")]
    Length(String),
    #[error("a window of no length never opens")]
    Empty,
}

impl Window {
    /// Parses `cron;duration[;time zone]`.
    pub(crate) fn parse(text: &str) -> Result<Self, WindowError> {
        let parts: Vec<&str> = text.split(';').map(str::trim).collect();
        let (cron, length, zone) = match parts[..] {
            [cron, length] => (cron, length, "UTC"),
            [cron, length, zone] => (cron, length, zone),
            _ => return Err(WindowError::Parts(parts.len())),
        };
        let length = parse_duration(length).map_err(WindowError::Length)?;
        if length.is_zero() {
            return Err(WindowError::Empty);
        }
        let length = SignedDuration::try_from(length)
            .map_err(|error| WindowError::Length(error.to_string()))?;
        Ok(Self {
            text: text.trim().to_owned(),
            opens: Schedule::parse(cron, zone)?,
            length,
        })
    }

    /// Whether it is open at `time`.
    pub(crate) fn is_open(&self, time: Timestamp) -> bool {
        // The latest opening that would still count. Before the first moment
        // that can be written there is none.
        let Ok(earliest) = time.checked_sub(self.length) else {
            return false;
        };
        let opened = self.opens.next_after(earliest);
        opened.is_some_and(|opened| opened <= time)
    }

    /// The first moment from `time` on at which it is open. `None`: it never
    /// opens again.
    pub(crate) fn open_from(&self, time: Timestamp) -> Option<Timestamp> {
        if self.is_open(time) {
            return Some(time);
        }
        self.opens.next_after(time)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn open_from(text: &str, from: &str) -> String {
        window(text).open_from(time(from)).unwrap().to_string()
    }

    #[test]
    fn it_is_open_from_its_opening_for_its_length() {
        let nightly = window("0 2 * * *;3h");
        for (moment, open) in [
            ("2026-11-24T01:59:59Z", false),
            ("2026-11-24T02:00:00Z", true),
            ("2026-11-24T04:59:59.999Z", true),
            ("2026-11-24T05:00:00Z", false),
        ] {
            assert_eq!(nightly.is_open(time(moment)), open, "{moment}");
        }
    }

    #[test]
    fn it_says_when_it_opens_next_and_now_if_it_is_open() {
        let nightly = "0 2 * * *;3h";
        assert_eq!(
            open_from(nightly, "2026-11-24T12:00:00Z"),
            "2026-11-25T02:00:00Z"
        );
        assert_eq!(
            open_from(nightly, "2026-11-24T03:00:00Z"),
            "2026-11-24T03:00:00Z"
        );
        let saturday = "30 22 * * sat;90m;Europe/Berlin";
        assert_eq!(
            open_from(saturday, "2026-11-24T12:00:00Z"),
            "2026-11-28T21:30:00Z"
        );
    }

    #[test]
    fn one_that_is_longer_than_its_schedule_s_interval_never_closes() {
        let always = window("0 * * * *;2h");
        assert!(always.is_open(time("2026-11-24T12:59:59Z")));
        assert!(always.is_open(time("2026-11-24T13:00:00Z")));
    }

    /// Clocks in Berlin go forward on 2026-03-29, 01:00 UTC, from 02:00 to 03:00,
    /// and back on 2026-10-25, 01:00 UTC, from 03:00 to 02:00.
    #[test]
    fn the_night_in_which_the_clocks_change_has_one_window_of_full_length() {
        let nightly = window("0 2 * * *;3h;Europe/Berlin");
        // 02:00 does not exist: it opens at the change, 03:00.
        assert!(!nightly.is_open(time("2026-03-29T00:59:59Z")));
        assert!(nightly.is_open(time("2026-03-29T01:00:00Z")));
        assert!(nightly.is_open(time("2026-03-29T03:59:59Z")));
        assert!(!nightly.is_open(time("2026-03-29T04:00:00Z")));
        // 02:00 exists twice: it opens at the first, for three hours that pass.
        assert!(!nightly.is_open(time("2026-10-24T23:59:59Z")));
        assert!(nightly.is_open(time("2026-10-25T00:00:00Z")));
        assert!(nightly.is_open(time("2026-10-25T02:59:59Z")));
        assert!(!nightly.is_open(time("2026-10-25T03:00:00Z")));
    }

    #[test]
    fn refuses_with_what_was_found() {
        let refused = [
            "0 2 * * *",
            "0 2 * * *;3h;UTC;more",
            "0 2 * *;3h",
            "0 2 * * *;3",
            "0 2 * * *;0s",
            "0 2 * * *;3h;Mars/Olympus",
        ];
        let told = refused.map(|text| Window::parse(text).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"), @r#"
        found 1 of two or three parts between semicolons
        found 4 of two or three parts between semicolons
        "0 2 * *" is not a schedule: expected the five fields of crontab(5), such as "17 3,15 * * *" (minute, hour, day of month, month, day of week): found 4 fields
        expected a duration such as 30s, 1m30s or 2h, found "3"
        a window of no length never opens
        "Mars/Olympus" is not a time zone: expected an IANA name, such as "Europe/Berlin" or "UTC"
        "#);
    }

    const YEAR: i64 = 366 * 86_400;
    const SCHEDULES: [&str; 5] = [
        "0 2 * * *",
        "30 2 * * sun",
        "15 1,3 * * *",
        "0 0 1 * *",
        "*/20 2-3 * * *",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// Whatever the clocks do: it is open exactly when it opened not longer
        /// ago than its length, by a count of every opening of that time.
        #[test]
        fn it_is_open_exactly_within_its_length_of_an_opening(
            schedule in prop::sample::select(&SCHEDULES[..]),
            minutes in 1_i64..2_000,
            zone in prop::sample::select(&["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][..]),
            second in 0..YEAR,
        ) {
            let window = window(&format!("{schedule};{minutes}m;{zone}"));
            let time = time("2026-01-01T00:00:00Z") + SignedDuration::from_secs(second);
            let length = SignedDuration::from_mins(minutes);
            let mut opening = time - length - SignedDuration::from_hours(48);
            let mut open = false;
            while let Some(next) = window.opens.next_after(opening).filter(|&next| next <= time) {
                prop_assert!(next > opening, "openings go forward");
                open |= time < next + length;
                opening = next;
            }
            prop_assert_eq!(window.is_open(time), open);
        }

        /// What it says of its next opening holds: open then, and at no moment
        /// before.
        #[test]
        fn it_is_closed_until_it_says_that_it_opens(
            schedule in prop::sample::select(&SCHEDULES[..]),
            minutes in 1_i64..600,
            second in 0..YEAR,
            part in 0.0..1.0_f64,
        ) {
            let window = window(&format!("{schedule};{minutes}m;Europe/Berlin"));
            let time = time("2026-01-01T00:00:00Z") + SignedDuration::from_secs(second);
            let opens = window.open_from(time).unwrap();
            prop_assert!(window.is_open(opens));
            let before = opens.duration_since(time).as_secs_f64() * part;
            let between = time + SignedDuration::from_secs(before as i64);
            prop_assert!(between == opens || !window.is_open(between));
        }
    }
}
