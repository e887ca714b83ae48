//! Reading dates, clocks and zones from the start of some bytes.

use crate::value::parse_u64;

/// The number of a month by its first three letters, in small ones.
fn month_of(name: [u8; 3]) -> Option<i64> {
    Some(match &name {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// Where a clock `HH:MM:SS[.fraction]` of 24 hours stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    pub at: usize,
    /// How many digits its fraction has.
    pub fraction: usize,
}

/// How long `HH:MM:SS` is.
pub const CLOCK: usize = 8;

impl Clock {
    /// Where it ends.
    pub fn end(self) -> usize {
        self.at + CLOCK + if self.fraction > 0 { 1 + self.fraction } else { 0 }
    }

    /// Its ms of the day, if all its digits are digits.
    pub fn read(self, bytes: &[u8]) -> Option<i64> {
        let [h, i, _, m, n, _, s, t] = *bytes.get(self.at..)?.first_chunk::<CLOCK>()?;
        let two = |high: u8, low: u8| i64::from(high.wrapping_sub(b'0')) * 10 + i64::from(low.wrapping_sub(b'0'));
        let (hour, minute, second) = (two(h, i), two(m, n), two(s, t));
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut ms = (hour * 3600 + minute * 60 + second) * 1000;
        let fraction = bytes.get(self.at + CLOCK..self.end())?.get(1..).unwrap_or_default();
        for (digit, scale) in fraction.iter().zip([100, 10, 1]) {
            ms += i64::from(digit.wrapping_sub(b'0')) * scale;
        }
        Some(ms)
    }
}

pub struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    /// A zone's name was read that several zones have.
    pub unsure: bool,
    /// How many bytes from the start were looked at.
    pub seen: usize,
    /// The clock that was read, if it is a plain one.
    pub clock: Option<Clock>,
    /// The year was not said.
    pub yearless: bool,
    /// Numbers were weighed, not only seen to be numbers.
    pub weighed: bool,
}

/// Names of zones that mean one offset only, in minutes east of UTC; BST is Britain's (tz database, abbreviations in use since 2000).
const ZONES: [(&[u8], i64); 20] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"Z", 0),
    (b"WET", 0),
    (b"BST", 60),
    (b"WEST", 60),
    (b"CET", 60),
    (b"CEST", 120),
    (b"EET", 120),
    (b"EEST", 180),
    (b"MSK", 180),
    (b"JST", 540),
    (b"NZST", 720),
    (b"NZDT", 780),
    (b"EST", -300),
    (b"EDT", -240),
    (b"CDT", -300),
    (b"MDT", -360),
    (b"MST", -420),
    (b"PDT", -420),
];
/// Names that several zones have: a time with one of them is not known.
const UNSURE_ZONES: [&[u8]; 6] = [b"CST", b"IST", b"AST", b"PST", b"SST", b"ECT"];

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, unsure: false, seen: 0, clock: None, yearless: false, weighed: false }
    }

    /// So many bytes from here on are looked at.
    pub fn look(&mut self, bytes: usize) {
        self.seen = self.seen.max(self.at + bytes);
    }

    pub fn peek(&mut self) -> Option<u8> {
        self.look(1);
        self.bytes.get(self.at).copied()
    }

    pub fn eat(&mut self, wanted: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| wanted.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    pub fn spaces(&mut self) {
        while self.eat(b" ").is_some() {}
    }

    /// A number of `least` to `most` digits.
    pub fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let rest = self.bytes.get(self.at..)?;
        let digits = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        self.look(most.min(digits + 1));
        if digits < least {
            return None;
        }
        let value = parse_u64(rest.get(..digits)?)?;
        self.at += digits;
        i64::try_from(value).ok()
    }

    pub fn month(&mut self) -> Option<i64> {
        self.look(3);
        let name = self.bytes.get(self.at..)?.first_chunk::<3>()?;
        let month = month_of(name.map(|letter| letter.to_ascii_lowercase()))?;
        self.at += 3;
        Some(month)
    }

    /// `HH:MM:SS[.fraction]` in ms of the day.
    pub fn clock(&mut self) -> Option<i64> {
        let start = self.at;
        let hour = self.number(1, 2)?;
        self.eat(b":")?;
        let colon = self.at;
        let minute = self.number(2, 2)?;
        self.eat(b":")?;
        let second = self.number(2, 2)?;
        self.weighed = true;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut ms = (minute * 60 + second) * 1000;
        let before = self.at;
        if self.eat(b".,").is_some() {
            let mut scale = 100;
            let mut any = false;
            while let Some(digit) = self.eat(b"0123456789") {
                ms += i64::from(digit - b'0') * scale;
                scale /= 10;
                any = true;
            }
            if !any {
                self.at = before;
            }
        }
        let fraction = (self.at - before).saturating_sub(1);
        self.clock = (colon == start + 3).then_some(Clock { at: start, fraction });
        Some(ms + self.half_of_day(hour)? * 3_600_000)
    }

    /// The hour of 24, when `AM` or `PM` follows.
    fn half_of_day(&mut self, hour: i64) -> Option<i64> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let blank = usize::from(rest.first() == Some(&b' '));
        self.look(blank + 3);
        let word = rest.get(blank..blank + 2).unwrap_or_default();
        let ends = rest.get(blank + 2).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let afternoon = word.eq_ignore_ascii_case(b"PM");
        if !ends || !(afternoon || word.eq_ignore_ascii_case(b"AM")) {
            return Some(hour);
        }
        self.clock = None;
        self.at += blank + 2;
        (1..=12).contains(&hour).then_some(hour % 12 + if afternoon { 12 } else { 0 })
    }

    /// A zone: `Z`, `UTC`, `BST`, `+01:00`, `-0530`, `UTC+1`; seconds east of UTC. Consumes nothing when there is none.
    pub fn zone(&mut self) -> Option<i64> {
        let before = self.at;
        self.spaces();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !matches!(rest.first(), Some(b'A'..=b'Z' | b'+' | b'-')) {
            self.look(1);
            self.at = before;
            return None;
        }
        self.look(6);
        let word = rest.iter().take(5).take_while(|byte| byte.is_ascii_uppercase()).count();
        let ends = rest.get(word).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.'));
        let name = rest.get(..word).filter(|_| ends).unwrap_or_default();
        // `UTC+01:00` and `GMT-5` are their offsets.
        let signed =
            rest.starts_with(b"UTC+") || rest.starts_with(b"UTC-") || rest.starts_with(b"GMT+") || rest.starts_with(b"GMT-");
        if signed {
            self.at += 3;
            let zone = self.signed_zone();
            if zone.is_none() {
                self.at = before;
            }
            return zone;
        }
        if let Some((_, minutes)) = ZONES.iter().find(|(known, _)| *known == name) {
            self.at += word;
            return Some(minutes * 60);
        }
        if UNSURE_ZONES.contains(&name) {
            self.at += word;
            self.unsure = true;
            return Some(0);
        }
        let zone = self.signed_zone();
        match zone {
            // Some devices write both an offset and a Z; the offset is the one with a number in it.
            Some(_) => drop(self.eat(b"Z")),
            None => self.at = before,
        }
        zone
    }

    fn signed_zone(&mut self) -> Option<i64> {
        let sign = if self.eat(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(1, 2)?;
        let colon = self.eat(b":").is_some();
        let minutes = self.number(2, 2).or((!colon).then_some(0))?;
        (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}
