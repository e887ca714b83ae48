//! A buffer of lines in; events by column and exactly one outcome per line out.
//!
//! Invariants: `outcomes.len()` is the number of lines; a row exists for exactly the lines whose outcome is `Kept`; memory is bounded
//! by the buffer; arbitrary bytes never stop decoding.

use crate::columns::Columns;
use crate::event::Row;
use crate::header;
use crate::network;
use crate::opening::{Opening, Openings};
use crate::pack::{Library, Line, Meaning};
use crate::recognise::Place;
use crate::repeated;
use crate::syntax::{Habits, Slots, Split, Syntax};
use crate::time::Context;
use crate::value::NO_ADDRESS;
use std::sync::Arc;

mod claims;
mod observer;

pub use observer::{Observer, Silent};

/// The fate of a line; codes are positions in `core.outcome.OUTCOMES`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Outcome {
    Kept = 0,
    Routine = 1,
    Internal = 2,
    Outbound = 3,
    Trusted = 4,
    Noise = 5,
    Unrecognised = 6,
    Malformed = 7,
    Overflow = 8,
}

pub const OUTCOMES: usize = 9;

/// Longer lines are not looked at. Suricata's events with bodies are the longest that devices really send.
pub const LONGEST_LINE: usize = 65_536;

/// Nor one before this: no log that a member could replay is older (2000-01-01).
const EARLIEST: i64 = 946_684_800_000;

/// Decoded lines.
pub struct Batch {
    pub columns: Columns,
    /// For each row, its line (from 0) in the buffer.
    pub line_of_row: Vec<u32>,
    pub outcomes: Vec<u8>,
    /// For each line, the pack that knew it, or `u32::MAX`.
    pub products: Vec<u32>,
    /// Lines whose own time could not be, and was replaced by the time of receipt.
    pub absurd_times: u64,
    pub library: Arc<Library>,
}

pub const NO_PRODUCT: u32 = u32::MAX;

/// The lines of a buffer without their ends. A newline ends a line, so `\n` alone is one empty line and nothing at all is none.
pub fn lines(buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = buffer.strip_suffix(b"\n").unwrap_or(buffer);
    let mut rest = (!buffer.is_empty()).then_some(whole);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (line, after) = match memchr::memchr(b'\n', bytes) {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (bytes, None),
        };
        rest = after;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// What lines have taught, for those that follow; it makes them quicker to read, and never changes what they mean.
#[derive(Default)]
pub struct Memory {
    openings: Openings,
    habits: Habits,
}

pub struct Decoder<'l> {
    library: &'l Arc<Library>,
    context: Context,
    candidates: Vec<usize>,
    tried: Vec<usize>,
    chosen: Vec<usize>,
}

/// Whose line a text is, and its fate; no fate: it may be one, broken.
type Found = (Option<Outcome>, usize);

impl<'l> Decoder<'l> {
    pub fn new(library: &'l Arc<Library>, context: Context) -> Self {
        Self { library, context, candidates: Vec::new(), tried: Vec::new(), chosen: Vec::new() }
    }

    pub fn decode(&mut self, buffer: &[u8]) -> Batch {
        let mut memory = self.library.memory();
        let batch = self.decode_with(buffer, &mut memory);
        self.library.remember(memory);
        batch
    }

    /// As `decode`, without what earlier buffers have taught.
    pub fn decode_apart(&mut self, buffer: &[u8]) -> Batch {
        self.decode_with(buffer, &mut Memory::default())
    }

    fn decode_with(&mut self, buffer: &[u8], memory: &mut Memory) -> Batch {
        memory.openings.in_zone(self.context.offset);
        let mut batch = Batch {
            columns: Columns::default(),
            line_of_row: Vec::new(),
            outcomes: Vec::new(),
            products: Vec::new(),
            absurd_times: 0,
            library: Arc::clone(self.library),
        };
        let mut place = (Slots::new(), Row::new());
        place.0.habits = std::mem::take(&mut memory.habits);
        for line in lines(buffer) {
            let outcome = self.line_with(line, &mut batch, &mut place, &mut memory.openings, &mut Silent);
            batch.outcomes.push(outcome as u8);
        }
        memory.habits = std::mem::take(&mut place.0.habits);
        batch
    }

    /// Decode one line: adds at most one row, and exactly one product mark.
    pub fn line(&mut self, text: &[u8], batch: &mut Batch, observer: &mut impl Observer) -> Outcome {
        self.line_with(text, batch, &mut (Slots::new(), Row::new()), &mut Openings::default(), observer)
    }

    /// As `line`; slots and row are used again and again, so that no line has to make its own.
    fn line_with<'t>(
        &mut self,
        text: &'t [u8],
        batch: &mut Batch,
        place: &mut (Slots<'t>, Row),
        openings: &mut Openings,
        observer: &mut impl Observer,
    ) -> Outcome {
        let (text, padded) = strip_padding(text);
        place.0.of_line(text, padded);
        if text.len() > LONGEST_LINE || text.is_empty() {
            batch.products.push(NO_PRODUCT);
            let long = !text.is_empty();
            observer.note(if long { "longer than 64 KiB: not looked at" } else { "empty" });
            return if long { Outcome::Overflow } else { Outcome::Malformed };
        }
        let known = openings.find(text, &self.context).filter(|(header, _)| !repeated::may_be(text, header));
        let found = match known {
            Some((header, opening)) => self.known(text, &header, opening, batch, place, observer),
            None => self.unknown(text, openings, batch, place, observer),
        };
        let product = found.and_then(|(_, pack)| u32::try_from(pack).ok()).unwrap_or(NO_PRODUCT);
        batch.products.push(product);
        found.map_or(Outcome::Unrecognised, |(outcome, _)| outcome.unwrap_or(Outcome::Malformed))
    }

    /// A line that begins as another did.
    fn known<'t>(
        &mut self,
        text: &'t [u8],
        header: &header::Header<'t>,
        opening: &mut Opening,
        batch: &mut Batch,
        (slots, row): &mut (Slots<'t>, Row),
        observer: &mut impl Observer,
    ) -> Option<Found> {
        observer.header(header);
        let library = self.library;
        let asked = &opening.choice.asked;
        let mut broken = None;
        let mut chosen = std::mem::take(&mut self.chosen);
        let mut ask = |place: usize| {
            let asked = asked.get(place)?;
            let found =
                self.try_line(asked.line, text, header, Some(&asked.starts), batch, (&mut *slots, &mut *row), observer)?;
            sure(found, &mut broken)
        };
        library.recogniser.chosen(&opening.choice, text, &mut chosen);
        let hit = chosen.iter().find_map(|&place| Some((ask(place)?, place)));
        let mut found = hit.map(|(found, _)| found);
        self.chosen = chosen;
        if found.is_none() {
            let tried: Vec<usize> = asked.iter().map(|asked| asked.line).collect();
            found = self.searched(text, header, &tried, &mut broken, batch, (slots, row), observer);
        }
        if let Some((_, place)) = hit {
            opening.choice.learn(place);
        }
        found.or(broken)
    }

    /// A line of which nothing is known.
    fn unknown<'t>(
        &mut self,
        text: &'t [u8],
        openings: &mut Openings,
        batch: &mut Batch,
        (slots, row): &mut (Slots<'t>, Row),
        observer: &mut impl Observer,
    ) -> Option<Found> {
        let library = self.library;
        let mut trace = header::Trace::default();
        let mut header = header::parse_traced(text, &self.context, &mut trace);
        let text = match repeated::unwrap(text, &mut header) {
            Some(within) => {
                // The bracket is closed: nothing of the last word is missing.
                slots.of_line(within, true);
                within
            }
            None => {
                if openings.worthy(text) {
                    let choice = library.recogniser.choice(text, &header, &mut trace);
                    Opening::new(text, &header, &trace, choice).into_iter().for_each(|opening| openings.keep(text, opening));
                }
                text
            }
        };
        observer.header(&header);
        let mut tried = std::mem::take(&mut self.tried);
        library.recogniser.direct(text, &header, &mut tried);
        let mut broken = None;
        let mut found = tried.iter().find_map(|&number| {
            sure(self.try_line(number, text, &header, None, batch, (&mut *slots, &mut *row), observer)?, &mut broken)
        });
        if found.is_none() {
            found = self.searched(text, &header, &tried, &mut broken, batch, (slots, row), observer);
        }
        self.tried = tried;
        found.or(broken)
    }

    /// Whose line a text is that none of `tried` takes.
    #[expect(clippy::too_many_arguments, reason = "what a line is read with is borrowed one by one")]
    fn searched<'t>(
        &mut self,
        text: &'t [u8],
        header: &header::Header<'t>,
        tried: &[usize],
        broken: &mut Option<Found>,
        batch: &mut Batch,
        (slots, row): (&mut Slots<'t>, &mut Row),
        observer: &mut impl Observer,
    ) -> Option<Found> {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.library.recogniser.candidates(text, &mut candidates);
        let found = candidates.iter().filter(|number| !tried.contains(number)).find_map(|&number| {
            sure(self.try_line(number, text, header, None, batch, (&mut *slots, &mut *row), observer)?, broken)
        });
        self.candidates = candidates;
        found
    }

    /// What a text means as a line of one kind, and whose line that is; None when it is not one. `starts` says where it may begin, if
    /// that is known.
    #[expect(clippy::too_many_arguments, reason = "what a line is read with is borrowed one by one")]
    fn try_line<'t>(
        &self,
        number: usize,
        text: &'t [u8],
        header: &header::Header<'t>,
        starts: Option<&[usize]>,
        batch: &mut Batch,
        (slots, row): (&mut Slots<'t>, &mut Row),
        observer: &mut impl Observer,
    ) -> Option<Found> {
        let line = self.library.line(number)?;
        observer.candidate(line);
        let mut result = None;
        let mut broken = false;
        let recogniser = &self.library.recogniser;
        // A key-value line's keys prove that most of what must stand in it does; else that is asked first.
        let late = starts.is_some() && matches!(line.syntax, Syntax::Kv(_));
        if starts.is_some() && !late && !recogniser.contained(number, text, 0) {
            return None;
        }
        let mut tried = |place: Place| {
            slots.reset(line.names.len());
            let split = line.syntax.split(text.get(place.body..).unwrap_or_default(), slots);
            if split == Split::No {
                return false;
            }
            if late && !recogniser.contained(number, text, slots.proved) {
                return true;
            }
            if line.last_may_be_cut {
                slots.set_goes_on();
            }
            slots.forget_doubtful(&line.once);
            fill_pseudo(line, text, header, &place, slots);
            observer.split(line, slots, split);
            result = self.meaning(line, (&mut *slots, &mut *row), split, header.time, batch, observer);
            broken |= split == Split::Broken;
            result.is_some()
        };
        match starts {
            Some(starts) => recogniser.place_at(number, text, starts, &mut tried),
            None => recogniser.place(number, text, header, &mut tried),
        };
        (result.is_some() || broken).then_some((result, line.pack))
    }

    /// What a split line means; None when no kind of it applies, so that it may still be another product's.
    fn meaning(
        &self,
        line: &Line,
        (slots, row): (&mut Slots, &mut Row),
        split: Split,
        header_time: Option<i64>,
        batch: &mut Batch,
        observer: &mut impl Observer,
    ) -> Option<Outcome> {
        let Some(kind) = line.kind(slots) else {
            observer.note("no kind of this line applies: it is not one");
            return None;
        };
        if slots.columns() < kind.columns {
            slots.set_unfinished();
        }
        observer.kind(line, kind, slots);
        Some(match kind.read(slots, row, &self.library.schema, &self.context) {
            Meaning::Noise if split == Split::Broken => {
                observer.note("cut off");
                Outcome::Malformed
            }
            Meaning::Noise => Outcome::Noise,
            Meaning::Malformed(why) => {
                observer.note(why);
                Outcome::Malformed
            }
            Meaning::Event => {
                row.time = row.time.or(header_time);
                if row.time.is_some_and(|time| time > self.context.latest() || time < EARLIEST) {
                    row.time = None;
                    batch.absurd_times += 1;
                    observer.note("a time that cannot be: the time of receipt is used");
                }
                if row.direction == 0 && row.src_ip != NO_ADDRESS && row.dst_ip != NO_ADDRESS {
                    row.direction = network::plain_direction(&row.src_ip, &row.dst_ip);
                }
                let product = u32::try_from(line.pack).unwrap_or(NO_PRODUCT);
                batch.columns.push(row, product, self.context.reference);
                batch.line_of_row.push(u32::try_from(batch.outcomes.len()).unwrap_or(u32::MAX));
                Outcome::Kept
            }
        })
    }
}

/// A broken line that no kind of a pack's fits may be another's whole one; else it is that pack's broken one.
fn sure(found: Found, broken: &mut Option<Found>) -> Option<Found> {
    if found.0.is_none() {
        broken.get_or_insert(found);
    }
    found.0.map(|_| found)
}

/// The line without blanks and zeros at its end, and whether there were any: then nothing of its last word is missing.
fn strip_padding(text: &[u8]) -> (&[u8], bool) {
    let end = text.iter().rposition(|byte| !matches!(byte, 0 | b' ' | b'\t' | b'\r')).map_or(0, |at| at + 1);
    let (text, padding) = text.split_at(end);
    (text, padding.first().is_some_and(|&byte| byte != b'\r'))
}

fn fill_pseudo<'a>(
    line: &Line,
    text: &'a [u8],
    header: &header::Header<'a>,
    place: &crate::recognise::Place,
    slots: &mut Slots<'a>,
) {
    if let Some(slot) = line.prefix_slot {
        slots.set(slot, text.get(place.prefix.0..place.prefix.1).unwrap_or_default());
    }
    if let Some(slot) = line.program_slot {
        slots.set(slot, header.program);
    }
    if let Some(slot) = line.msgid_slot {
        slots.set(slot, header.msgid);
    }
    if let Some(slot) = line.message_slot {
        slots.set(slot, text.get(place.body..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
