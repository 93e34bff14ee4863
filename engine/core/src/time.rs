//! Lengths of time, as policies write them, and instants, as tags and people write them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A whole number of seconds; a day is exactly 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(u64);

/// Ten years: longer spans in a policy are mistakes, and sums of them stay far from overflow.
const LONGEST: u64 = 3653 * 86_400;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A length in seconds, at most ten years.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(if seconds > LONGEST { LONGEST } else { seconds })
    }

    /// A length in minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// A length in hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 3600)
    }

    /// A length in days of 24 hours.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }

    /// The whole length in seconds.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// As jiff's type, for arithmetic with instants.
    #[must_use]
    pub fn signed(self) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(self.0).expect("at most ten years"))
    }

    /// What passed from `start` to `end`; nothing when `end` is not later.
    #[must_use]
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        let seconds = end.duration_since(start).as_secs();
        Self(u64::try_from(seconds).unwrap_or(0))
    }

    /// The instant this long before `instant`, or the earliest instant there is.
    #[must_use]
    pub fn before(self, instant: Timestamp) -> Timestamp {
        instant.checked_sub(self.signed()).unwrap_or(Timestamp::MIN)
    }

    /// The instant this long after `instant`, or the latest instant there is.
    #[must_use]
    pub fn after(self, instant: Timestamp) -> Timestamp {
        instant.checked_add(self.signed()).unwrap_or(Timestamp::MAX)
    }
}

/// In the largest unit that divides it: `14d`, `8h`, `90m`, `45s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            0 => (0, "s"),
            s if s % 86_400 == 0 => (s / 86_400, "d"),
            s if s % 3600 == 0 => (s / 3600, "h"),
            s if s % 60 == 0 => (s / 60, "m"),
            s => (s, "s"),
        };
        f.pad(&format!("{count}{unit}"))
    }
}

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time: write a whole number and a unit, as in 45s, 90m, 8h, 14d or 2w, at most ten years"
)]
pub struct InvalidDuration(String);

impl FromStr for Duration {
    type Err = InvalidDuration;
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let wrong = || InvalidDuration(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        match count.checked_mul(scale) {
            Some(seconds) if seconds <= LONGEST => Ok(Self(seconds)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Duration {
    type Error = InvalidDuration;
    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> String {
        duration.to_string()
    }
}

/// An instant in a tag's narrow alphabet: `20261123t080000z`, with `-NNNNNN` microseconds when there are any.
#[must_use]
pub fn stamp(instant: Timestamp) -> String {
    let civil = jiff::tz::Offset::UTC.to_datetime(instant);
    let mut text = String::with_capacity(23);
    let mut digits = |number: i32, places: u32| {
        for place in (0..places).rev() {
            let digit = number.unsigned_abs() / 10_u32.pow(place) % 10;
            text.push(char::from_digit(digit, 10).expect("below ten"));
        }
        text.len()
    };
    digits(i32::from(civil.year()), 4);
    digits(i32::from(civil.month()), 2);
    digits(i32::from(civil.day()), 2);
    let date = digits(0, 0);
    digits(i32::from(civil.hour()), 2);
    digits(i32::from(civil.minute()), 2);
    digits(i32::from(civil.second()), 2);
    let micros = civil.subsec_nanosecond() / 1000;
    if micros != 0 {
        let whole = digits(0, 0);
        digits(micros, 6);
        text.insert(whole, '-');
    }
    text.insert(date, 't');
    text.push('z');
    text
}

/// The number that these digits are; `None` where there is anything else.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Reads what [`stamp`] wrote; anything else is `None`.
#[must_use]
pub fn parse_stamp(text: &str) -> Option<Timestamp> {
    // `20261123t080000z` or `20261123t080000-123456z`.
    let (date, clock, micros) = match text.as_bytes() {
        [date @ .., b't', h1, h2, m1, m2, s1, s2, b'z'] if date.len() == 8 => (date, [*h1, *h2, *m1, *m2, *s1, *s2], 0),
        [date @ .., b't', h1, h2, m1, m2, s1, s2, b'-', a, b, c, d, e, f, b'z'] if date.len() == 8 => {
            (date, [*h1, *h2, *m1, *m2, *s1, *s2], number(&[*a, *b, *c, *d, *e, *f]).filter(|micros| *micros > 0)?)
        }
        _ => return None,
    };
    let small = |digits: &[u8]| number(digits).and_then(|n| i8::try_from(n).ok());
    let year = i16::try_from(number(&date[..4])?).ok()?;
    let (hour, minute, second) = (small(&clock[..2])?, small(&clock[2..4])?, small(&clock[4..])?);
    let date = jiff::civil::Date::new(year, small(&date[4..6])?, small(&date[6..])?).ok()?;
    let civil = jiff::civil::DateTime::from_parts(date, jiff::civil::Time::new(hour, minute, second, 0).ok()?);
    let whole = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Timestamp::new(whole.as_second(), i32::try_from(micros * 1000).ok()?).ok()
}

/// Cuts an instant to microseconds, the finest that a tag carries.
#[must_use]
pub fn to_micros(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).expect("an instant's microseconds are an instant")
}

/// An instant for people: `2026-10-24T08:00Z`, with seconds only when there are any.
#[must_use]
pub fn brief(instant: Timestamp) -> String {
    let seconds = instant.as_second().rem_euclid(60);
    instant.strftime(if seconds == 0 { "%Y-%m-%dT%H:%MZ" } else { "%Y-%m-%dT%H:%M:%SZ" }).to_string()
}

/// A length for people: the two largest units at most: `3d 4h`, `2h 05m`, `12m`, `9s`.
#[must_use]
pub fn about(length: Duration) -> String {
    let s = length.as_seconds();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 if s % 3600 < 60 => format!("{}h", s / 3600),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ if s % 86_400 < 3600 => format!("{}d", s / 86_400),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_in_the_largest_unit() {
        for (text, shown) in [("8h", "8h"), ("90m", "90m"), ("72h", "3d"), ("2w", "14d"), ("60s", "1m"), ("0s", "0s")] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), shown);
        }
        for wrong in ["", "h", "8", "-1h", "8 h", "1.5h", "8H", "99999999999999999999d", "11000d"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stamp_keeps_microseconds_and_reads_back() {
        let instant: Timestamp = "2026-11-23T08:00:12.345678Z".parse().unwrap();
        assert_eq!(stamp(instant), "20261123t080012-345678z");
        assert_eq!(parse_stamp(&stamp(instant)), Some(instant));
        let whole: Timestamp = "2024-02-29T00:00:00Z".parse().unwrap();
        assert_eq!(parse_stamp(&stamp(whole)), Some(whole));
        for wrong in [
            "",
            "z",
            "20261123t080000",
            "20261323t080000z",
            "2026112_t080000z",
            "20261123t080000-1z",
            "20261123t080000-000000z",
        ] {
            assert_eq!(parse_stamp(wrong), None, "{wrong}");
        }
    }
}
