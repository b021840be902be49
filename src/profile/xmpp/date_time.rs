//! DateTime of XEP-0082 section 3.1: `2020-03-12T14:36:15Z`.
//!
//! One grammar and nothing beside it: capital `T` and `Z`, 1 to 9 digits of a second, zones up to 14 hours (XML Schema
//! 1.0 part 2, section 3.2.7), years 1970 to 9999. A leap second (`:60`) is refused, as XML Schema does.

use crate::Timestamp;
use crate::profile::wire;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
/// Four hundred years of the Gregorian calendar.
const DAYS_AN_ERA: u64 = 146_097;
/// 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// The moment; a part of a second counts for nothing.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4, 1..=9999)?;
    eat(&mut rest, b"-")?;
    let month = digits(&mut rest, 2, 1..=12)?;
    eat(&mut rest, b"-")?;
    let day = digits(&mut rest, 2, 1..=days_in(year, month))?;
    eat(&mut rest, b"T")?;
    let hour = digits(&mut rest, 2, 0..=23)?;
    eat(&mut rest, b":")?;
    let minute = digits(&mut rest, 2, 0..=59)?;
    eat(&mut rest, b":")?;
    let second = digits(&mut rest, 2, 0..=59)?;
    if eat(&mut rest, b".").is_some() {
        let len = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        digits(&mut rest, len, 0..=999_999_999)?;
    }
    let local = (days_before(year, month, day) * SECONDS_A_DAY) + (hour * 60 + minute) * 60 + second;
    let zone = match rest {
        b"Z" => return moment(local.checked_sub(DAYS_TO_1970 * SECONDS_A_DAY)?),
        [sign @ (b'+' | b'-'), zone @ ..] => {
            rest = zone;
            *sign
        }
        _ => return None,
    };
    let hours = digits(&mut rest, 2, 0..=14)?;
    eat(&mut rest, b":")?;
    let minutes = digits(&mut rest, 2, 0..=if hours == 14 { 0 } else { 59 })?;
    let ahead = (hours * 60 + minutes) * 60;
    let utc = if zone == b'+' { local.checked_sub(ahead)? } else { local + ahead };
    if rest.is_empty() { moment(utc.checked_sub(DAYS_TO_1970 * SECONDS_A_DAY)?) } else { None }
}

/// In UTC; nothing for what comes after the year 9999.
pub(super) fn write(moment: Timestamp) -> Option<String> {
    let seconds = self::moment(moment.as_secs())?.as_secs();
    let (year, month, day) = date(seconds / SECONDS_A_DAY + DAYS_TO_1970);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

fn moment(seconds: u64) -> Option<Timestamp> {
    (seconds <= LAST).then_some(Timestamp::from_secs(seconds))
}

fn digits(rest: &mut &[u8], len: usize, within: core::ops::RangeInclusive<u64>) -> Option<u64> {
    let (digits, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    wire::number(digits).map(|number| number as u64).filter(|number| within.contains(number))
}

fn eat(rest: &mut &[u8], octet: &[u8; 1]) -> Option<()> {
    rest.strip_prefix(octet).map(|behind| *rest = behind)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0000-03-01, in years that begin in March: so the leap day is the last of its year.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
}

/// The way back: year, month and day.
fn date(days: u64) -> (u64, u64, u64) {
    let (era, days) = (days / DAYS_AN_ERA, days % DAYS_AN_ERA);
    let year = (days - days / 1460 + days / 36_524 - days / 146_096) / 365;
    let days = days - (year * 365 + year / 4 - year / 100);
    let month = (5 * days + 2) / 153;
    let day = days - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{LAST, days_in, parse, write};
    use crate::Timestamp;

    #[test]
    fn what_is_written_is_read_back() {
        let mut seconds = 0;
        while seconds <= LAST {
            let text = write(Timestamp::from_secs(seconds)).unwrap();
            assert_eq!(parse(&text), Some(Timestamp::from_secs(seconds)), "{text}");
            // so that every day of a month and every second of a day come
            seconds += 11 * 86_400 + 61;
        }
    }

    #[test]
    fn every_month_begins_when_it_should() {
        let mut day = 0;
        for (year, month) in (1970..=9999).flat_map(|year| (1..=12).map(move |month| (year, month))) {
            let text = write(Timestamp::from_secs(day * 86_400)).unwrap();
            assert_eq!(text, format!("{year}-{month:02}-01T00:00:00Z"));
            assert_eq!(parse(&text), Some(Timestamp::from_secs(day * 86_400)), "{text}");
            day += days_in(year, month);
        }
        assert_eq!(day * 86_400, LAST + 1);
    }
}
