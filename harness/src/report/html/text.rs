//! Times, sizes and other people's text, as a page shows them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time of day, in UTC, to the millisecond.
pub(super) fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

/// The day, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Seconds since the run's beginning: `+3.123 s`.
pub(super) fn since(begin: Timestamp, at: Timestamp) -> String {
    format!("{:+.3} s", at.duration_since(begin).as_secs_f64())
}

/// The same for the marks of an axis: `+3.1 s`.
pub(super) fn since_roughly(begin: Timestamp, at: Timestamp) -> String {
    format!("{:+.1} s", at.duration_since(begin).as_secs_f64())
}

/// A length of time for people: `1.2 ms`, `3.45 s`, `4 min 05 s`.
pub(super) fn length(time: Duration) -> String {
    const MINUTE: u64 = 60;
    let seconds = time.as_secs();
    if seconds >= 2 * MINUTE {
        format!("{} min {:02} s", seconds / MINUTE, seconds % MINUTE)
    } else if seconds >= 10 {
        format!("{:.1} s", time.as_secs_f64())
    } else if seconds >= 1 {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    }
}

/// The same of a length that may be negative, which is shown as none.
pub(super) fn signed_length(time: SignedDuration) -> String {
    length(time.max(SignedDuration::ZERO).unsigned_abs())
}

/// A number with its thousands set apart: `12,345`.
pub(super) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `2 requests`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", number(count))
}

/// The first characters of an ID or a fingerprint: enough to tell it apart.
pub(super) fn short(id: &str) -> &str {
    const SHORT: usize = 8;
    id.char_indices()
        .nth(SHORT)
        .map_or(id, |(end, _)| &id[..end])
}

/// A log's text without the colours that it has for terminals.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Replaces what an HTML document must not contain, whatever was logged.
pub(super) fn without_controls(page: String) -> String {
    let is_bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_noncharacter(c);
    if page.contains(is_bad) {
        page.replace(is_bad, "\u{FFFD}")
    } else {
        page
    }
}

/// Code points that Unicode keeps for no character.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_digits_that_matter() {
        let of = |millis| length(Duration::from_millis(millis));
        assert_eq!(of(3), "3.0 ms");
        assert_eq!(of(3_456), "3.46 s");
        assert_eq!(of(34_560), "34.6 s");
        assert_eq!(of(125_000), "2 min 05 s");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn what_html_forbids_is_replaced_and_colours_are_taken_off() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(
            without_controls("a\0b\u{1b}c\n".to_owned()),
            "a\u{FFFD}b\u{FFFD}c\n"
        );
    }
}
