//! Points in time as logs write them: epoch numbers, ISO 8601, RFC 3164 dates, and their mixtures.
//!
//! Zone-less times are taken in the offset that the caller gives; a missing year is the latest that does not put the time into
//! the future. Everything is total on arbitrary bytes; nothing before 1980 or after 2199, and no 30 February, is accepted.

use crate::value::parse_u64;
pub use cursor::Clock;
use cursor::Cursor;

mod cursor;

/// What a time without year or zone is read against.
#[derive(Clone, Copy)]
pub struct Context {
    /// When the line was received, in ms since 1970 UTC.
    pub reference: i64,
    /// Seconds east of UTC for times without a zone.
    pub offset: i32,
}

/// How far a device's clock may be ahead of ours; the centre believes no more (`central/ingest/checks.py`).
const MOST_AHEAD: i64 = 86_400_000;

impl Context {
    /// The latest time that is believed.
    pub fn latest(&self) -> i64 {
        self.reference.saturating_add(MOST_AHEAD)
    }
}

const EARLIEST: i64 = 315_532_800_000; // 1980-01-01
/// From 1601, where Windows' file times begin, to 1970.
const FILETIME_EPOCH: i64 = 11_644_473_600_000;
const LATEST: i64 = 7_258_118_400_000; // 2200-01-01

/// Days since 1970-01-01 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn year_of(ms: i64) -> i64 {
    let days = ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    era * 400 + year_of_era + i64::from(day_of_year >= 306)
}

/// Which number of `11/20/2026` is the month. A log that does not say it by its product cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    Day,
    Month,
}

fn build(date: (i64, i64, i64), clock: i64, zone: Option<i64>, context: &Context) -> Option<i64> {
    let (year, month, day) = date;
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let offset = zone.unwrap_or(i64::from(context.offset));
    let ms = days(year, month, day) * 86_400_000 + clock - offset * 1000;
    (EARLIEST..LATEST).contains(&ms).then_some(ms)
}

/// `2026-11-20T07:00:00.123+01:00`, also with `/`, a space for the `T`, and no zone.
fn iso(cursor: &mut Cursor, context: &Context) -> Option<i64> {
    let year = cursor.number(4, 4)?;
    let separator = cursor.eat(b"-/.:")?;
    let month = cursor.number(1, 2)?;
    cursor.eat(&[separator])?;
    let day = cursor.number(1, 2)?;
    cursor.eat(b"T ,-_")?;
    cursor.spaces();
    let clock = cursor.clock()?;
    let zone = cursor.zone();
    build((year, month, day), clock, zone, context)
}

/// `[Thu ]Nov 20 [2026 ]07:00:00[ 2026][ UTC]`: RFC 3164 and its relatives.
fn bsd(cursor: &mut Cursor, context: &Context) -> Option<i64> {
    let Some(month) = cursor.month().or_else(|| {
        cursor.at += 3;
        cursor.eat(b",");
        cursor.eat(b" ")?;
        cursor.month()
    }) else {
        // RFC 5322 puts the day first: `Fri, 20 Nov 2026 07:00:00 +0000`.
        return web(cursor, context);
    };
    cursor.eat(b" ")?;
    cursor.spaces();
    let day = cursor.number(1, 2)?;
    cursor.eat(b",");
    cursor.eat(b" ")?;
    cursor.spaces();
    let year = leading_year(cursor);
    let clock = cursor.clock()?;
    let mut zone = cursor.zone();
    let year = year.or_else(|| trailing_year(cursor));
    if zone.is_none() {
        zone = cursor.zone();
    }
    let Some(year) = year else {
        cursor.yearless = true;
        return latest_year(month, day, clock, zone, context);
    };
    build((year, month, day), clock, zone, context)
}

fn leading_year(cursor: &mut Cursor) -> Option<i64> {
    let before = cursor.at;
    let year = cursor.number(4, 4);
    if year.is_some() && cursor.eat(b" ").is_some() {
        return year;
    }
    cursor.at = before;
    None
}

fn trailing_year(cursor: &mut Cursor) -> Option<i64> {
    let before = cursor.at;
    if cursor.eat(b" ").is_some() {
        let year = cursor.number(4, 4).filter(|year| (1980..2200).contains(year));
        // `2001:db8::1` and `2001-core` are hosts, not years.
        let ends = match cursor.peek() {
            None | Some(b' ' | b'\t' | b',' | b']') => true,
            Some(b':') => {
                cursor.look(2);
                cursor.bytes.get(cursor.at + 1).is_none_or(|&byte| byte == b' ')
            }
            Some(_) => false,
        };
        if year.is_some() && ends {
            return year;
        }
    }
    cursor.at = before;
    None
}

/// Logs tell of the past: of the years that fit, the latest that is not in the future. Eight years back find any 29 February.
fn latest_year(month: i64, day: i64, clock: i64, zone: Option<i64>, context: &Context) -> Option<i64> {
    let about = year_of(context.reference.clamp(EARLIEST, LATEST));
    (about - 8..=about + 1)
        .rev()
        .filter_map(|year| build((year, month, day), clock, zone, context))
        .find(|ms| *ms <= context.latest())
}

/// `20/Nov/2026:07:00:00 +0000`, the web servers' way, and its relatives down to `20Nov2026 07:00:00`.
fn web(cursor: &mut Cursor, context: &Context) -> Option<i64> {
    let day = cursor.number(1, 2)?;
    let separator = cursor.eat(b"/- ");
    let month = cursor.month()?;
    if let Some(separator) = separator {
        cursor.eat(&[separator])?;
    }
    let year = cursor.number(4, 4)?;
    cursor.eat(b",");
    cursor.eat(b": ")?;
    let clock = cursor.clock()?;
    let zone = cursor.zone();
    build((year, month, day), clock, zone, context)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their length.
fn epoch(bytes: &[u8]) -> Option<i64> {
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if let Some(value) = parse_u64(bytes) {
        return since_1970(i64::try_from(value).ok()?, bytes.len(), b"");
    }
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = bytes.split_at(digits);
    let fraction = match rest {
        [] => rest,
        [b'.', fraction @ ..] => fraction,
        _ => return None,
    };
    since_1970(i64::try_from(parse_u64(whole)?).ok()?, whole.len(), fraction)
}

/// A number of so many digits, and what stands behind its full stop.
fn since_1970(value: i64, digits: usize, fraction: &[u8]) -> Option<i64> {
    let ms = match digits {
        9 | 10 => {
            let mut ms = value * 1000;
            for (digit, scale) in fraction.iter().zip([100, 10, 1]) {
                ms += i64::from(digit.checked_sub(b'0').filter(|&d| d < 10)?) * scale;
            }
            ms
        }
        12 | 13 => value,
        15 | 16 => value / 1000,
        19 => value / 1_000_000,
        18 => value / 10_000 - FILETIME_EPOCH,
        _ => return None,
    };
    (EARLIEST..LATEST).contains(&ms).then_some(ms)
}

/// `2026 Nov 20 07:00:00`: Cisco's switches, and the archives of OSSEC and Wazuh.
fn year_first(cursor: &mut Cursor, context: &Context) -> Option<i64> {
    let year = cursor.number(4, 4)?;
    cursor.spaces();
    let month = cursor.month()?;
    cursor.spaces();
    let day = cursor.number(1, 2)?;
    cursor.eat(b" ")?;
    let clock = cursor.clock()?;
    let zone = cursor.zone();
    build((year, month, day), clock, zone, context)
}

/// `20261120T070000Z`, `20261120070000`, `20261120-07:00:00`.
fn compact(cursor: &mut Cursor, context: &Context) -> Option<i64> {
    let (year, month, day) = (cursor.number(4, 4)?, cursor.number(2, 2)?, cursor.number(2, 2)?);
    let _ = cursor.eat(b"T -_");
    let (hour, minute, second) = match cursor.bytes.get(cursor.at + 2) {
        Some(b':') => return clocked(cursor, (year, month, day), context),
        _ => (cursor.number(2, 2)?, cursor.number(2, 2)?, cursor.number(2, 2)?),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if cursor.eat(b".,").is_some() {
        cursor.number(1, 9)?;
    }
    let zone = cursor.zone();
    build((year, month, day), (hour * 3600 + minute * 60 + second) * 1000, zone, context)
}

fn clocked(cursor: &mut Cursor, date: (i64, i64, i64), context: &Context) -> Option<i64> {
    let clock = cursor.clock()?;
    let zone = cursor.zone();
    build(date, clock, zone, context)
}

/// `11/20/2026 07:00:00`, `20.11.26-07:00:00`, `11/20-07:00:00.123`: three numbers, or two, in the order that the product has.
fn numbers(cursor: &mut Cursor, order: Order, context: &Context) -> Option<i64> {
    let first = cursor.number(1, 2)?;
    let separator = cursor.eat(b"/.-")?;
    let second = cursor.number(1, 2)?;
    let (day, month) = if order == Order::Day { (first, second) } else { (second, first) };
    let year = match cursor.eat(&[separator]) {
        Some(_) => Some(cursor.number(4, 4).or_else(|| cursor.number(2, 2).map(|short| 2000 + short))?),
        None => None,
    };
    cursor.eat(b"T ,-")?;
    cursor.spaces();
    let clock = cursor.clock()?;
    let zone = cursor.zone();
    match year {
        Some(year) => build((year, month, day), clock, zone, context),
        None => latest_year(month, day, clock, zone, context),
    }
}

/// A date and time at the start of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// None where its zone is not known.
    pub time: Option<i64>,
    /// How many bytes it took.
    pub used: usize,
}

/// What a scan rested on: another text that has the same bytes there, but for another time of the day, gives that time.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// How many bytes from the start were looked at.
    pub bytes: usize,
    /// Where the time of the day stands, and what the time would be at midnight. None where nothing may differ.
    pub clock: Option<(Clock, i64)>,
    /// The year was not said: it depends on the time of receipt.
    pub yearless: bool,
    /// It was not only digits that counted, but which ones: so it is where a clock was met, for all else is weighed after it.
    pub weighed: bool,
}

/// A date and time at the start of `bytes`, in any of the ways that need no telling.
pub fn scan(bytes: &[u8], context: &Context) -> Option<Scanned> {
    scan_seen(bytes, context, &mut Seen::default())
}

/// As `scan`; says what was looked at.
pub fn scan_seen(bytes: &[u8], context: &Context, seen: &mut Seen) -> Option<Scanned> {
    let mut cursor = Cursor::new(bytes);
    let found = scanned(&mut cursor, context);
    let midnight = |clock: Clock| Some((clock, found?.time? - clock.read(bytes)?));
    *seen =
        Seen { bytes: cursor.seen, clock: cursor.clock.and_then(midnight), yearless: cursor.yearless, weighed: cursor.weighed };
    found
}

fn scanned(cursor: &mut Cursor, context: &Context) -> Option<Scanned> {
    let bytes = cursor.bytes;
    cursor.look(if bytes.first().is_some_and(u8::is_ascii_digit) { 5 } else { 1 });
    let found = match bytes.first()? {
        b'0'..=b'9' if bytes.get(4).is_some_and(|byte| matches!(byte, b'-' | b'/' | b'.' | b':')) => iso(cursor, context),
        b'0'..=b'9' if bytes.get(4) == Some(&b' ') => year_first(cursor, context),
        b'0'..=b'9' => web(cursor, context),
        byte if byte.is_ascii_alphabetic() => bsd(cursor, context),
        _ => None,
    }?;
    Some(Scanned { time: Some(found).filter(|_| !cursor.unsure), used: cursor.at })
}

/// A whole value as a time.
pub fn parse(bytes: &[u8], context: &Context) -> Option<i64> {
    parse_as(bytes, None, context)
}

/// A whole value as a time; a date of bare numbers is read in the order given, and not at all without one.
pub fn parse_as(bytes: &[u8], order: Option<Order>, context: &Context) -> Option<i64> {
    let bytes = crate::value::trim(bytes);
    if let Some(ms) = epoch(bytes) {
        return Some(ms);
    }
    if let Some(found) = scan(bytes, context) {
        return found.time.filter(|_| found.used == bytes.len());
    }
    let whole = |read: &dyn Fn(&mut Cursor) -> Option<i64>| {
        let mut cursor = Cursor::new(bytes);
        read(&mut cursor).filter(|_| cursor.at == bytes.len() && !cursor.unsure)
    };
    whole(&|cursor| compact(cursor, context)).or_else(|| order.and_then(|order| whole(&|cursor| numbers(cursor, order, context))))
}

#[cfg(test)]
mod tests;
