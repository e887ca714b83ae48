//! How lines begin: devices send the same header again and again, so that what was found in one need only be compared with the next.
//!
//! An opening says which bytes a header's reading rested on (`header/trace.rs`) and, with it, whose lines may begin so. It is taken only
//! where all of them stand as they stood, but for digits that do not count and for the time of the day, which is read; so what is found
//! never depends on what was seen before. Openings are bounded in length and number; what is rarely seen is forgotten.

use crate::header::{Header, TimeOfDay, Trace};
use crate::recognise::Choice;
use crate::time::Context;
use smallvec::SmallVec;
use wide::u8x16;

const LANES: usize = 16;
/// Longer openings are not kept.
const LONGEST: usize = 256;
/// The first bytes tell where an opening is kept.
const TELLING: usize = 32;
/// Openings with the same place, and such places.
const WAYS: usize = 6;
const SETS: usize = 64;
/// To make an opening costs about as much as to read a few dozen lines without one, so only each so many lines another is made.
const LINES_FOR_ONE: usize = 64;
/// So many can be made at once, when nothing is known yet.
const MOST_AT_ONCE: usize = 32;
/// The multiplier of Fibonacci hashing, 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// The longest day, and the shortest year, in ms.
const DAY: i64 = 86_461_000;
const YEAR: i64 = 365 * 86_400_000;

/// What sixteen bytes must be: each differs from `text` by no more than `most`, 0 for the same byte, 9 for any digit, 255 for any byte.
struct Chunk {
    text: u8x16,
    most: u8x16,
}

pub struct Opening {
    chunks: Vec<Chunk>,
    starts: SmallVec<[usize; 8]>,
    /// Places of the words, from and to.
    host: (usize, usize),
    program: (usize, usize),
    msgid: (usize, usize),
    clocks: SmallVec<[TimeOfDay; 2]>,
    pub choice: Choice,
}

/// Where a word of the line stands.
fn place(line: &[u8], word: &[u8]) -> (usize, usize) {
    let start = (word.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize);
    if word.is_empty() || start >= line.len() { (0, 0) } else { (start, start + word.len()) }
}

impl Opening {
    /// None where a header can not be found again so.
    pub fn new(line: &[u8], header: &Header, trace: &Trace, choice: Choice) -> Option<Self> {
        let length = trace.seen.next_multiple_of(LANES);
        let timed = trace.clocks.last().map(|last| last.midnight + last.clock.read(line).unwrap_or_default());
        if trace.lost || trace.seen > line.len() || length > LONGEST || header.time != timed {
            return None;
        }
        let exact = |at: usize| trace.exact.iter().any(|&(from, to)| (from..to).contains(&at));
        let rule = |at: usize| match line.get(at).filter(|_| at < trace.seen) {
            Some(byte) if byte.is_ascii_digit() && !exact(at) => (b'0', 9),
            Some(byte) => (*byte, 0),
            None => (0, u8::MAX),
        };
        let chunk = |first: usize| Chunk {
            text: u8x16::new(std::array::from_fn(|lane| rule(first + lane).0)),
            most: u8x16::new(std::array::from_fn(|lane| rule(first + lane).1)),
        };
        Some(Self {
            chunks: (0..length).step_by(LANES).map(chunk).collect(),
            starts: header.starts.clone(),
            host: place(line, header.host),
            program: place(line, header.program),
            msgid: place(line, header.msgid),
            clocks: trace.clocks.clone(),
            choice,
        })
    }

    /// The header of `line`, if it begins so.
    #[inline(always)]
    fn header<'a>(&self, line: &'a [u8], context: &Context) -> Option<Header<'a>> {
        let mut rest = line;
        for chunk in &self.chunks {
            let (bytes, after) = rest.split_first_chunk::<LANES>()?;
            let differs = u8x16::new(*bytes) ^ chunk.text;
            if differs.max(chunk.most).cmp_eq(chunk.most).move_mask() != 0xffff {
                return None;
            }
            rest = after;
        }
        let mut time = None;
        for of_day in &self.clocks {
            // The year that was found is the latest for any time of that day, and the one behind it lies in the future.
            let latest = context.latest();
            if of_day.yearless && !(of_day.midnight + DAY <= latest && latest < of_day.midnight + YEAR) {
                return None;
            }
            time = Some(of_day.midnight + of_day.clock.read(line)?);
        }
        let word = |(from, to): (usize, usize)| line.get(from..to);
        let (host, program, msgid) = (word(self.host)?, word(self.program)?, word(self.msgid)?);
        Some(Header { starts: SmallVec::from_slice(&self.starts), time, host, program, msgid })
    }
}

/// The openings that one decoder has met.
pub struct Openings {
    /// The zone of times without one; all is forgotten with it.
    offset: i32,
    sets: Vec<[Option<Box<Opening>>; WAYS]>,
    /// What was met once: an opening is worth its making when it comes again.
    once: [u64; SETS],
    /// Lines that have not been used up for making openings.
    credit: usize,
}

impl Default for Openings {
    fn default() -> Self {
        let sets = (0..SETS).map(|_| [const { None }; WAYS]).collect();
        Self { offset: 0, sets, once: [0; SETS], credit: MOST_AT_ONCE * LINES_FOR_ONE }
    }
}

/// Where lines that begin as this one are kept, and a number for how it begins. None for a line that is shorter.
#[inline(always)]
fn telling(line: &[u8]) -> Option<(usize, u64)> {
    let bytes = line.first_chunk::<TELLING>()?;
    let (zero, nine) = (u8x16::splat(b'0'), u8x16::splat(9));
    let mut number = 0_u64;
    for chunk in bytes.as_chunks::<LANES>().0 {
        let chunk = u8x16::new(*chunk);
        let value = chunk ^ zero;
        let digits = value.max(nine).cmp_eq(nine);
        let plain: u128 = u128::from_le_bytes(digits.blend(zero, chunk).to_array());
        number = (number.rotate_left(29) ^ plain as u64).wrapping_mul(SPREAD) ^ (plain >> 64) as u64;
    }
    let number = number.wrapping_mul(SPREAD);
    Some(((number >> 58) as usize, number))
}

impl Openings {
    /// Times without a zone are of this one.
    pub fn in_zone(&mut self, offset: i32) {
        if self.offset != offset {
            *self = Self { offset, ..Self::default() };
        }
    }

    /// The header of `line`, and the opening that told it.
    #[inline(always)]
    pub fn find<'a>(&mut self, line: &'a [u8], context: &Context) -> Option<(Header<'a>, &mut Opening)> {
        self.credit = (self.credit + 1).min(MOST_AT_ONCE * LINES_FOR_ONE);
        let (set, _) = telling(line)?;
        let ways = self.sets.get_mut(set)?;
        let header = |way: &Option<Box<Opening>>| way.as_ref()?.header(line, context);
        let (at, header) = ways.iter().enumerate().find_map(|(at, way)| Some((at, header(way)?)))?;
        // What is often found moves to the front.
        let to = at.saturating_sub(1);
        ways.swap(at, to);
        Some((header, ways.get_mut(to)?.as_mut()?))
    }

    /// Whether this line's beginning was met before and could be kept.
    pub fn worthy(&mut self, line: &[u8]) -> bool {
        let Some((set, number)) = telling(line) else { return false };
        let again = self.once.get_mut(set).is_some_and(|once| std::mem::replace(once, number) == number);
        again && self.credit >= LINES_FOR_ONE
    }

    /// Keep an opening in place of the one that was found least.
    pub fn keep(&mut self, line: &[u8], opening: Opening) {
        self.credit = self.credit.saturating_sub(LINES_FOR_ONE);
        let Some(ways) = telling(line).and_then(|(set, _)| self.sets.get_mut(set)) else { return };
        let free = ways.iter().position(Option::is_none).unwrap_or(WAYS - 1);
        if let Some(way) = ways.get_mut(free) {
            *way = Some(Box::new(opening));
        }
    }
}

#[cfg(test)]
mod tests;
