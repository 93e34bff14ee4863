//! Which texts are expressions, and what they mean.

use super::super::cron::{Cron, InvalidCron};
use jiff::civil::date;

/// The minutes of one day, as `HH:MM`.
fn minutes(text: &str) -> Vec<String> {
    let cron = Cron::parse(text).unwrap();
    let day = date(2026, 1, 1);
    (0..cron.minutes_a_day()).map(|i| cron.minute_of(day, i).strftime("%H:%M").to_string()).collect()
}

/// The days of a year, as `MM-DD`.
fn days(text: &str, year: i16) -> Vec<String> {
    let cron = Cron::parse(text).unwrap();
    let days = cron.days_up_from(date(year, 1, 1)).take_while(|day| day.year() == year);
    days.map(|day| day.strftime("%m-%d").to_string()).collect()
}

#[test]
fn lists_ranges_and_steps_name_minutes() {
    for (text, expected) in [
        ("5 4 * * *", &["04:05"][..]),
        ("05 04 * * *", &["04:05"]),
        (" 5\t4  * * * ", &["04:05"]),
        ("30,0 8,20 * * *", &["08:00", "08:30", "20:00", "20:30"]),
        ("*/20 0 * * *", &["00:00", "00:20", "00:40"]),
        ("10-20/5 0 * * *", &["00:10", "00:15", "00:20"]),
        ("0-9/4,9,0-1 0 * * *", &["00:00", "00:01", "00:04", "00:08", "00:09"]),
        ("0 */8 * * *", &["00:00", "08:00", "16:00"]),
        ("59 23 * * *", &["23:59"]),
        ("*/59 22-23 * * *", &["22:00", "22:59", "23:00", "23:59"]),
        ("0 9-9 * * *", &["09:00"]),
        ("@daily", &["00:00"]),
        ("@Midnight", &["00:00"]),
    ] {
        assert_eq!(minutes(text), expected, "{text}");
    }
    assert_eq!(minutes("@hourly").len(), 24);
    assert_eq!(minutes("* * * * *").len(), 1440);
}

#[test]
fn days_match_by_date_and_weekday() {
    for (text, expected) in [
        ("0 0 1 1-3 *", &["01-01", "02-01", "03-01"][..]),
        ("0 0 31 * *", &["01-31", "03-31", "05-31", "07-31", "08-31", "10-31", "12-31"]),
        ("0 0 1 JAN,jul *", &["01-01", "07-01"]),
        ("0 0 1 oct-Dec *", &["10-01", "11-01", "12-01"]),
        ("0 0 1 */6 *", &["01-01", "07-01"]),
        ("0 0 * 2 0", &["02-01", "02-08", "02-15", "02-22"]),
        ("0 0 * 2 7", &["02-01", "02-08", "02-15", "02-22"]),
        ("0 0 * 2 Sun", &["02-01", "02-08", "02-15", "02-22"]),
        ("0 0 * 2 6-7/1", &["02-01", "02-07", "02-08", "02-14", "02-15", "02-21", "02-22", "02-28"]),
        // Both restricted: either is enough.
        ("0 0 13 2 mon", &["02-02", "02-09", "02-13", "02-16", "02-23"]),
        // One that begins with `*` is not a restriction of its own: both must match.
        ("0 0 */9 2 mon", &[]),
        ("0 0 */7 2 sun", &["02-01", "02-08", "02-15", "02-22"]),
        ("0 0 1-7 2 */7", &["02-01"]),
        ("@yearly", &["01-01"]),
        ("@annually", &["01-01"]),
    ] {
        assert_eq!(days(text, 2026), expected, "{text}");
    }
    assert_eq!(days("@monthly", 2026).len(), 12);
    assert_eq!(days("@weekly", 2026).len(), 52);
    assert_eq!(days("0 0 * * mon-fri", 2026).len(), 261);
    // A weekday makes up for a date that never comes.
    assert_eq!(days("0 0 30 2 mon", 2026), ["02-02", "02-09", "02-16", "02-23"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_is_allowed() {
    for (text, message) in [
        ("", "it has 0 fields, and needs 5"),
        ("0 0 * *", "it has 4 fields, and needs 5"),
        ("0 0 0 * * *", "it has 6 fields, and needs 5"),
        ("60 * * * *", "minute `60`: `60` is not a number from 0 to 59"),
        ("0 24 * * *", "hour `24`: `24` is not a number from 0 to 23"),
        ("0 0 0 * *", "day of month `0`: `0` is not a number from 1 to 31"),
        ("0 0 1-32 * *", "day of month `1-32`: `32` is not a number from 1 to 31"),
        ("0 0 L * *", "day of month `L`: `L` is not a number from 1 to 31"),
        ("0 0 1 13 *", "month `13`: `13` is neither a number from 1 to 12 nor a name from jan to dec"),
        ("0 0 1 january *", "month `january`: `january` is neither a number from 1 to 12 nor a name from jan to dec"),
        ("0 0 * * 8", "day of week `8`: `8` is neither a number from 0 to 7 nor a name from sun to sat"),
        ("0 0 * * jan", "day of week `jan`: `jan` is neither a number from 0 to 7 nor a name from sun to sat"),
        ("mon * * * *", "minute `mon`: `mon` is not a number from 0 to 59"),
        ("5, * * * *", "minute `5,`: a comma stands between two values"),
        ("1,,2 * * * *", "minute `1,,2`: a comma stands between two values"),
        ("5- * * * *", "minute `5-`: a missing value is not a number from 0 to 59"),
        ("-5 * * * *", "minute `-5`: a missing value is not a number from 0 to 59"),
        ("1-2-3 * * * *", "minute `1-2-3`: `2-3` is not a number from 0 to 59"),
        ("*-5 * * * *", "minute `*-5`: `*` is not a number from 0 to 59"),
        ("300 * * * *", "minute `300`: `300` is not a number from 0 to 59"),
        ("*/0 * * * *", "minute `*/0`: a step is a number from 1 to 59"),
        ("*/90 * * * *", "minute `*/90`: a step is a number from 1 to 59"),
        ("*/ * * * *", "minute `*/`: a step is a number from 1 to 59"),
        ("*/2/3 * * * *", "minute `*/2/3`: a step is a number from 1 to 59"),
        ("0 0 1 */x *", "month `*/x`: a step is a number from 1 to 11"),
        ("5/15 * * * *", "minute `5/15`: a step needs a range, as in `5-59/15`"),
        ("0 22-6 * * *", "hour `22-6`: the range runs backwards: write `22-23,0-6`"),
        ("0 23-0 * * *", "hour `23-0`: the range runs backwards: write `23,0`"),
        ("0 0 * * fri-sun", "day of week `fri-sun`: the range runs backwards: write `5-6,0`"),
        ("0 0 * * 7-1", "day of week `7-1`: the range runs backwards: write `7,0-1`"),
        ("0 0 1 ? *", "'?' is never part of one: digits, names, `*`, `,`, `-`, `/` and spaces are"),
        ("0 0 * * 5#3", "'#' is never part of one: digits, names, `*`, `,`, `-`, `/` and spaces are"),
        ("0 0 * *\n*", "'\\n' is never part of one: digits, names, `*`, `,`, `-`, `/` and spaces are"),
        ("\u{1b}[31m", "'\\u{1b}' is never part of one: digits, names, `*`, `,`, `-`, `/` and spaces are"),
        ("@reboot", "`@reboot` is not known: @hourly, @daily, @weekly, @monthly and @yearly are"),
        ("0 0 30 2 *", "it never fires: no day of month `30` is in month `2`"),
        ("0 0 31 feb,4,6,9,11 *", "it never fires: no day of month `31` is in month `feb,4,6,9,11`"),
        ("0 0 30,31 2 */2", "it never fires: no day of month `30,31` is in month `2`"),
    ] {
        assert_eq!(Cron::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    assert_eq!(Cron::parse(&"1,".repeat(201)), Err(InvalidCron::TooLong));
}

#[test]
fn it_displays_as_it_was_written() {
    for text in ["0 */8 * * *", "@Daily", " 5\t4 1 Jan sun "] {
        assert_eq!(Cron::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(format!("{:>12}", Cron::parse("@daily").unwrap()), "      @daily");
}

#[test]
fn the_longest_expression_is_accepted() {
    let list = |from: u8, to: u8| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let months = "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec";
    let text = format!("{} {} {} {months} sun,mon,tue,wed,thu,fri,sat", list(0, 59), list(0, 23), list(1, 31));
    assert_eq!(minutes(&text).len(), 1440);
    assert_eq!(days(&text, 2026).len(), 365);
}
