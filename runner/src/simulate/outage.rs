//! Times in which an authority does not answer.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::model::parse_duration;

/// From a day of the simulation on, for a duration: `40+72h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outage {
    /// After the beginning.
    pub(crate) begins: SignedDuration,
    pub(crate) lasts: SignedDuration,
}

impl FromStr for Outage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("expected DAY+DURATION such as 40+72h or 12.5+30m, found {text:?}: {why}")
        };
        let (day, lasts) = text.split_once('+').ok_or_else(|| wrong("no +"))?;
        let day: f64 = day.trim().parse().map_err(|_| wrong("no number of days"))?;
        let begins = SignedDuration::try_from_secs_f64((day * 86_400.0).round());
        let begins = begins.map_err(|_| wrong("no number of days"))?;
        if begins.is_negative() {
            return Err(wrong("it begins before the beginning"));
        }
        let lasts = parse_duration(lasts).map_err(|why| wrong(&why))?;
        let lasts = SignedDuration::try_from(lasts).map_err(|_| wrong("too long"))?;
        Ok(Self { begins, lasts })
    }
}

impl Outage {
    /// Whether it is under way at `at`, in a simulation that began at `start`.
    pub(crate) fn covers(&self, start: Timestamp, at: Timestamp) -> bool {
        let since = at.duration_since(start);
        since >= self.begins && since < self.begins.saturating_add(self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_a_day_and_a_duration() {
        let outage: Outage = "40+72h".parse().unwrap();
        assert_eq!(outage.begins, SignedDuration::from_hours(40 * 24));
        assert_eq!(outage.lasts, SignedDuration::from_hours(72));
        let half: Outage = "0.5+30m".parse().unwrap();
        assert_eq!(half.begins, SignedDuration::from_hours(12));
        for wrong in [
            "", "40", "40-72h", "-1+3h", "x+3h", "40+3", "NaN+3h", "1e300+3h",
        ] {
            let message = wrong.parse::<Outage>().unwrap_err();
            assert!(message.contains("DAY+DURATION"), "{message}");
        }
    }

    #[test]
    fn it_covers_its_begin_and_not_its_end() {
        let outage: Outage = "1+1h".parse().unwrap();
        let start = Timestamp::UNIX_EPOCH;
        let at = |hours: i64| start + SignedDuration::from_hours(hours);
        let covered = [23, 24, 25].map(|hours| outage.covers(start, at(hours)));
        assert_eq!(covered, [false, true, false]);
    }
}
