//! Cron expressions: five fields, as Vixie cron reads them (crontab(5)).
//!
//! This decides which minutes of the calendar an expression names. It knows no time zone.

use jiff::civil::{Date, DateTime};
use std::fmt;
use std::iter::successors;
use std::ops::Range;

/// A parsed cron expression. It displays as the text that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// Ascending, never empty.
    minutes: Vec<i8>,
    /// Ascending, never empty.
    hours: Vec<i8>,
    days: Set,
    months: Set,
    /// Sunday is 0.
    weekdays: Set,
    /// Both day fields are restricted: one that matches is enough.
    either_day: bool,
}

/// Why a text is not a cron expression: what comes after saying that it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    /// Longer than any sensible expression.
    #[error("it has more than {LONGEST} characters")]
    TooLong,
    /// A character of no cron expression, such as `?`, `#` or a control character.
    #[error("{0:?} is never part of one: digits, names, `*`, `,`, `-`, `/` and spaces are")]
    Character(char),
    /// An unknown word after `@`.
    #[error("`{0}` is not known: @hourly, @daily, @weekly, @monthly and @yearly are")]
    Nickname(String),
    /// Not five fields.
    #[error("it has {0} fields, and needs 5")]
    FieldCount(usize),
    /// A field that cannot be read.
    #[error("{field} `{part}`: {wrong}")]
    Field {
        /// Which field.
        field: &'static str,
        /// The part of it that is wrong.
        part: String,
        /// What is wrong, and what is allowed.
        wrong: String,
    },
    /// An expression such as `0 0 30 2 *`.
    #[error("it never fires: no day of month `{days}` is in month `{months}`")]
    NeverFires {
        /// The field of days.
        days: String,
        /// The field of months.
        months: String,
    },
}

impl InvalidCron {
    /// Which characters of the expression are wrong; `None` where it is wrong as a whole.
    #[must_use]
    pub fn within(&self, text: &str) -> Option<Range<usize>> {
        // A field as a part of the text; beyond ASCII there is nothing to find but the character that is refused.
        let field = |number: usize| {
            let word = text.split_ascii_whitespace().nth(number)?;
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            Some(start..start + word.len())
        };
        match self {
            Self::TooLong | Self::Nickname(_) | Self::FieldCount(_) => None,
            Self::Character(stray) => text.chars().position(|c| c == *stray).map(|at| at..at + 1),
            Self::Field { field: name, part, .. } => {
                let fields = [MINUTE.name, HOUR.name, DAY.name, MONTH.name, WEEKDAY.name];
                let whole = field(fields.iter().position(|known| known == name)?)?;
                let at = whole.start + text[whole].find(part.as_str())?;
                Some(at..at + part.len())
            }
            Self::NeverFires { .. } => Some(field(2)?.start..field(3)?.end),
        }
    }
}

/// Every minute, hour, day and month listed by name is some 330 characters long.
const LONGEST: usize = 400;

/// The longest wait of an expression that fires at all: 29 February on one weekday, across a year 2100.
const LONGEST_WAIT_YEARS: i16 = 40;

/// The days of each month in a leap year.
const DAYS: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads an expression: five fields of lists, ranges and steps, names of months and weekdays, 0 and 7 for Sunday, or
    /// one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// A day must match both day fields, or either one when both are restricted. As in Vixie cron, a day field that begins
    /// with `*` does not count as restricted: `0 0 */2 * mon` means Mondays with an odd date.
    ///
    /// # Errors
    ///
    /// Names the field, what is wrong with it and what is allowed there. An expression that would never fire is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(InvalidCron::TooLong);
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "*,-/@ \t".contains(c);
        if let Some(stray) = text.chars().find(|c| !is_plain(*c)) {
            return Err(InvalidCron::Character(stray));
        }
        let written = if text.trim().starts_with('@') { nickname(text.trim())? } else { text };
        let fields: Vec<&str> = written.split_ascii_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(InvalidCron::FieldCount(fields.len()));
        };
        let cron = Self {
            text: text.to_owned(),
            minutes: MINUTE.parse(minute)?.values().collect(),
            hours: HOUR.parse(hour)?.values().collect(),
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays: WEEKDAY.parse(weekday)?.with_sunday_as_0(),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        if cron.can_fire() {
            Ok(cron)
        } else {
            Err(InvalidCron::NeverFires { days: day.to_owned(), months: month.to_owned() })
        }
    }

    /// Whether there is a day that matches. Over 400 years each date falls on each weekday, so weekdays forbid nothing.
    fn can_fire(&self) -> bool {
        let has_a_day =
            |(month, longest): (i8, i8)| self.months.contains(month) && self.days.values().any(|day| day <= longest);
        self.either_day || (1..).zip(DAYS).any(has_a_day)
    }

    fn fires_on(&self, day: Date) -> bool {
        let by_date = self.days.contains(day.day());
        let by_weekday = self.weekdays.contains(day.weekday().to_sunday_zero_offset());
        let by_day = if self.either_day { by_date || by_weekday } else { by_date && by_weekday };
        by_day && self.months.contains(day.month())
    }

    /// The days that match, from this one backwards.
    pub(super) fn days_down_from(&self, from: Date) -> impl Iterator<Item = Date> {
        let before = move |day: &Date| {
            let month_matches = self.months.contains(day.month());
            if month_matches { day.yesterday().ok() } else { day.first_of_month().yesterday().ok() }
        };
        successors(Some(from), before)
            .take_while(move |day| from.year() - day.year() <= LONGEST_WAIT_YEARS)
            .filter(|day| self.fires_on(*day))
    }

    /// The days that match, from this one onwards.
    pub(super) fn days_up_from(&self, from: Date) -> impl Iterator<Item = Date> {
        let after = move |day: &Date| {
            let month_matches = self.months.contains(day.month());
            if month_matches { day.tomorrow().ok() } else { day.last_of_month().tomorrow().ok() }
        };
        successors(Some(from), after)
            .take_while(move |day| day.year() - from.year() <= LONGEST_WAIT_YEARS)
            .filter(|day| self.fires_on(*day))
    }

    /// How many minutes of a matching day are named.
    pub(super) fn minutes_a_day(&self) -> usize {
        self.hours.len() * self.minutes.len()
    }

    /// The named minute of a day with this index, below [`Self::minutes_a_day`], in the order of the clock.
    pub(super) fn minute_of(&self, day: Date, index: usize) -> DateTime {
        let each_hour = self.minutes.len();
        day.at(self.hours[index / each_hour], self.minutes[index % each_hour], 0, 0)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The fields that a nickname stands for.
fn nickname(text: &str) -> Result<&'static str, InvalidCron> {
    match text.to_ascii_lowercase().as_str() {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        _ => Err(InvalidCron::Nickname(text.to_owned())),
    }
}

/// Small numbers, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn contains(self, value: i8) -> bool {
        self.0 >> value & 1 == 1
    }

    fn values(self) -> impl Iterator<Item = i8> {
        (0..64).filter(move |value| self.contains(*value))
    }

    fn with_sunday_as_0(self) -> Self {
        Self((self.0 | self.0 >> 7) & 0x7f)
    }
}

/// What one field allows.
struct Field {
    name: &'static str,
    low: i8,
    high: i8,
    /// Words for `low`, `low + 1` and so on.
    words: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", low: 0, high: 59, words: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, words: &[] };
const DAY: Field = Field { name: "day of month", low: 1, high: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field =
    Field { name: "day of week", low: 0, high: 7, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Field {
    fn parse(&self, text: &str) -> Result<Set, InvalidCron> {
        text.split(',').try_fold(Set(0), |set, part| {
            if part.is_empty() {
                return Err(self.wrong(text, "a comma stands between two values".to_owned()));
            }
            self.part(part).map(|values| Set(set.0 | values.0))
        })
    }

    /// One element of the list: `*`, `5`, `1-5`, `*/15` or `8-18/2`.
    fn part(&self, part: &str) -> Result<Set, InvalidCron> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(self.step(part, step)?)),
        };
        let (first, last) = if range == "*" {
            (self.low, self.high)
        } else if let Some((first, last)) = range.split_once('-') {
            let (first, last) = (self.value(part, first)?, self.value(part, last)?);
            if first > last {
                return Err(self.wrong(part, self.backwards(first, last)));
            }
            (first, last)
        } else {
            let value = self.value(part, range)?;
            if let Some(step) = step {
                let instead = format!("a step needs a range, as in `{value}-{}/{step}`", self.high);
                return Err(self.wrong(part, instead));
            }
            (value, value)
        };
        Ok(Set((first..=last).step_by(step.unwrap_or(1)).fold(0, |bits, value| bits | 1 << value)))
    }

    fn value(&self, part: &str, text: &str) -> Result<i8, InvalidCron> {
        let by_name = (self.low..).zip(self.words).find(|(_, word)| text.eq_ignore_ascii_case(word));
        let by_number = || text.parse::<i8>().ok().filter(|value| (self.low..=self.high).contains(value));
        by_name.map(|(value, _)| value).or_else(by_number).ok_or_else(|| {
            let subject = if text.is_empty() { "a missing value".to_owned() } else { format!("`{text}`") };
            let (low, high) = (self.low, self.high);
            let wrong = match (self.words.first(), self.words.last()) {
                (Some(first), Some(last)) => {
                    format!("{subject} is neither a number from {low} to {high} nor a name from {first} to {last}")
                }
                _ => format!("{subject} is not a number from {low} to {high}"),
            };
            self.wrong(part, wrong)
        })
    }

    /// A step beyond the field would name one value only, and who writes `*/90` means something else.
    fn step(&self, part: &str, text: &str) -> Result<usize, InvalidCron> {
        let longest = usize::from((self.high - self.low).unsigned_abs());
        text.parse()
            .ok()
            .filter(|step| (1..=longest).contains(step))
            .ok_or_else(|| self.wrong(part, format!("a step is a number from 1 to {longest}")))
    }

    fn backwards(&self, first: i8, last: i8) -> String {
        // 7 is a second Sunday.
        let high = if self.name == WEEKDAY.name { 6 } else { self.high };
        let span = |from: i8, to: i8| if from == to { format!("{from}") } else { format!("{from}-{to}") };
        format!("the range runs backwards: write `{},{}`", span(first, high.max(first)), span(self.low, last))
    }

    fn wrong(&self, part: &str, wrong: String) -> InvalidCron {
        InvalidCron::Field { field: self.name, part: part.to_owned(), wrong }
    }
}
