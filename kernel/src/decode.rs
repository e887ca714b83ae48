//! A buffer of lines in; events by column and exactly one outcome per line out.
//!
//! Invariants: `outcomes.len()` is the number of lines; a row exists for exactly the lines whose outcome is `Kept`; memory is bounded
//! by the buffer; arbitrary bytes never stop decoding.

use crate::columns::Columns;
use crate::event::Row;
use crate::header;
use crate::network;
use crate::pack::{Library, Line, Meaning};
use crate::repeated;
use crate::syntax::{Slots, Split};
use crate::time::Context;
use crate::value::NO_ADDRESS;
use std::sync::Arc;

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

/// What is told of one line's way, for `explain`.
pub trait Observer {
    fn header(&mut self, _header: &header::Header) {}
    fn candidate(&mut self, _line: &Line) {}
    fn split(&mut self, _line: &Line, _slots: &Slots, _split: Split) {}
    fn kind(&mut self, _line: &Line, _kind: &crate::pack::Kind, _slots: &Slots) {}
    fn note(&mut self, _text: &str) {}
}

pub struct Silent;
impl Observer for Silent {}

pub struct Decoder<'l> {
    library: &'l Arc<Library>,
    context: Context,
    candidates: Vec<usize>,
    tried: Vec<usize>,
}

impl<'l> Decoder<'l> {
    pub fn new(library: &'l Arc<Library>, context: Context) -> Self {
        Self { library, context, candidates: Vec::new(), tried: Vec::new() }
    }

    pub fn decode(&mut self, buffer: &[u8]) -> Batch {
        let mut batch = Batch {
            columns: Columns::default(),
            line_of_row: Vec::new(),
            outcomes: Vec::new(),
            products: Vec::new(),
            absurd_times: 0,
            library: Arc::clone(self.library),
        };
        let mut place = (Slots::new(), Row::new());
        for line in lines(buffer) {
            let outcome = self.line_with(line, &mut batch, &mut place, &mut Silent);
            batch.outcomes.push(outcome as u8);
        }
        batch
    }

    /// Decode one line: adds at most one row, and exactly one product mark.
    pub fn line(&mut self, text: &[u8], batch: &mut Batch, observer: &mut impl Observer) -> Outcome {
        self.line_with(text, batch, &mut (Slots::new(), Row::new()), observer)
    }

    /// As `line`; slots and row are used again and again, so that no line has to make its own.
    fn line_with<'t>(
        &mut self,
        text: &'t [u8],
        batch: &mut Batch,
        (slots, row): &mut (Slots<'t>, Row),
        observer: &mut impl Observer,
    ) -> Outcome {
        let (text, padded) = strip_padding(text);
        slots.of_line(text, padded);
        if text.len() > LONGEST_LINE {
            batch.products.push(NO_PRODUCT);
            observer.note("longer than 64 KiB: not looked at");
            return Outcome::Overflow;
        }
        if text.is_empty() {
            batch.products.push(NO_PRODUCT);
            return Outcome::Malformed;
        }
        let mut header = header::parse(text, &self.context);
        let text = match repeated::unwrap(text, &mut header) {
            Some(within) => {
                // The bracket is closed: nothing of the last word is missing.
                slots.of_line(within, true);
                within
            }
            None => text,
        };
        observer.header(&header);
        let library = self.library;
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut tried = std::mem::take(&mut self.tried);
        library.recogniser.direct(text, &header, &mut tried);
        // A broken line that no kind of a pack's fits may be another's whole one; else it is that pack's broken one.
        let mut broken = None;
        let mut sure = |&number: &usize| {
            let found = self.try_line(number, text, &header, batch, (&mut *slots, &mut *row), observer);
            let (found, pack) = found?;
            if found.is_none() {
                broken = broken.or(Some((Outcome::Malformed, pack)));
            }
            Some((found?, pack))
        };
        let mut found = tried.iter().find_map(&mut sure);
        if found.is_none() {
            library.recogniser.candidates(text, &mut candidates);
            found = candidates.iter().filter(|number| !tried.contains(number)).find_map(&mut sure);
        }
        let found = found.or(broken);
        self.candidates = candidates;
        self.tried = tried;
        let product = found.and_then(|(_, pack)| u32::try_from(pack).ok()).unwrap_or(NO_PRODUCT);
        batch.products.push(product);
        found.map_or(Outcome::Unrecognised, |(outcome, _)| outcome)
    }

    /// All packs that would take a line if they were asked, in the order in which they are; for checking packs against each other.
    pub fn claims(&mut self, text: &[u8]) -> Vec<usize> {
        let (text, _) = strip_padding(text);
        let mut header = header::parse(text, &self.context);
        let text = repeated::unwrap(text, &mut header).unwrap_or(text);
        let library = self.library;
        let mut packs = Vec::new();
        let mut batch = self.decode(b"");
        let (mut direct, mut searched) = (Vec::new(), Vec::new());
        library.recogniser.direct(text, &header, &mut direct);
        library.recogniser.candidates(text, &mut searched);
        for &number in direct.iter().chain(&searched) {
            let mut place = (Slots::new(), Row::new());
            let found = self.try_line(number, text, &header, &mut batch, (&mut place.0, &mut place.1), &mut Silent);
            let sure = found.filter(|(outcome, _)| outcome.is_some());
            packs.extend(sure.map(|(_, pack)| pack).filter(|pack| !packs.contains(pack)));
        }
        packs
    }

    /// What a text means as a line of one kind, and whose line that is; None when it is not one. No outcome: it may be one, broken.
    fn try_line<'t>(
        &self,
        number: usize,
        text: &'t [u8],
        header: &header::Header<'t>,
        batch: &mut Batch,
        (slots, row): (&mut Slots<'t>, &mut Row),
        observer: &mut impl Observer,
    ) -> Option<(Option<Outcome>, usize)> {
        let line = self.library.line(number)?;
        observer.candidate(line);
        let mut result = None;
        let mut broken = false;
        self.library.recogniser.place(number, text, header, &mut |place| {
            slots.reset(line.names.len());
            let split = line.syntax.split(text.get(place.body..).unwrap_or_default(), slots);
            if split == Split::No {
                return false;
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
        });
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
        let Some(kind) = line.kinds.iter().find(|kind| kind.applies(slots)) else {
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
