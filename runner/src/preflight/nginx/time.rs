//! nginx's times: `10`, `20s`, `1m30s`, `1h 30m`, `500ms`.

use std::time::Duration;

/// The units, each smaller than the one before, as nginx wants them in order.
const UNITS: [(&str, u64); 8] = [
    ("y", 31_536_000_000),
    ("M", 2_592_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The time that `text` says, or `None` when nginx would take it for none.
/// A number without a unit is seconds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut milliseconds, mut next) = (text.trim(), 0_u64, 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = rest.split_at(digits.unwrap_or(rest.len()));
        let end = unit.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = unit.split_at(end.unwrap_or(unit.len()));
        let number: u64 = number.parse().ok()?;
        let unit = if unit.is_empty() { "s" } else { unit };
        let place = UNITS.iter().position(|(name, _)| *name == unit)?;
        if place < next {
            return None;
        }
        next = place + 1;
        milliseconds = milliseconds.checked_add(number.checked_mul(UNITS[place].1)?)?;
        rest = after.trim_start();
    }
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_nginx_reads_them() {
        let seconds = |text| parse(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("10"), Some(10.0));
        assert_eq!(seconds("0"), Some(0.0));
        assert_eq!(seconds("1m30s"), Some(90.0));
        assert_eq!(seconds("1h 30m"), Some(5400.0));
        assert_eq!(seconds("500ms"), Some(0.5));
        assert_eq!(seconds("1M"), Some(2_592_000.0));
        for wrong in [
            "",
            "s",
            "10x",
            "1s1m",
            "-1s",
            "1.5s",
            "99999999999999999999",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
