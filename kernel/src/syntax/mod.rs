//! How a line's text is split into named slots. A syntax knows nothing of vendors and gives no meaning to what it finds.
//!
//! Invariants of every syntax: the first value for a slot stands (text further on, which a stranger may have written, cannot
//! change it); quoted or escaped text never becomes another slot; total on arbitrary bytes; no allocation beyond the line's size.

pub mod cef;
pub mod csv;
mod habit;
pub mod json;
mod keys;
pub mod kv;
mod labels;
pub mod leef;
mod scan;
pub mod template;
pub mod xml;

use habit::Proofs;
pub use keys::Keys;
pub use labels::{Labels, PREFIX as LABEL_PREFIX};

/// Where a value stands. The first bit of `start` says that it is not in the line as it is, but among the texts made from it.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    length: u32,
}

/// A pack may not ask for more slots of one line than this.
pub const MOST_SLOTS: usize = 256;

const MADE: u32 = 1 << 31;
const ABSENT: Place = Place { start: u32::MAX, length: 0 };

/// Values found in one line, by slot number.
pub struct Slots<'a> {
    line: &'a [u8],
    places: Vec<Place>,
    /// Values without the escapes that they have in the line.
    made: Vec<u8>,
    /// What each kind of key-value line has taught, by its number.
    pub habits: Habits,
    /// Which of the texts that its pack asks for stand in a key-value line's keys, a bit each.
    pub proved: Proofs,
    /// A blank stands behind what the line says, so that nothing of its last word is missing.
    padded: bool,
    /// The line is as long as those that relays cut.
    long: bool,
    /// More must follow what it ends with.
    unfinished: bool,
    /// Its pack says that such lines do not end in an address, or that this one may.
    goes_on: bool,
    whole: bool,
    /// Where a value may not end, lest it be cut; 0 where it may end anywhere.
    cut_end: usize,
    cut_endpoint: usize,
    /// Slots for which a second text came that was not the first, a bit each.
    again: [u64; MOST_SLOTS / 64],
    /// How many columns were found, of a line that has such.
    columns: usize,
}

/// What each kind of key-value line has taught, by its number.
pub type Habits = Vec<Option<habit::Habit>>;

/// Lines from this length on may have been cut by a relay: RFC 3164 allows 1,024 bytes, and many cut a little before.
const MAY_BE_CUT: usize = 1_000;

impl<'a> Slots<'a> {
    pub fn new() -> Self {
        Self {
            line: b"",
            places: Vec::new(),
            made: Vec::new(),
            habits: Habits::new(),
            proved: 0,
            padded: false,
            long: false,
            unfinished: false,
            goes_on: false,
            whole: false,
            cut_end: 0,
            cut_endpoint: 0,
            again: [0; MOST_SLOTS / 64],
            columns: 0,
        }
    }

    pub fn reset(&mut self, size: usize) {
        self.places.clear();
        self.places.resize(size, ABSENT);
        self.made.clear();
        self.unfinished = false;
        self.goes_on = false;
        self.whole = false;
        self.proved = 0;
        self.again = [0; MOST_SLOTS / 64];
        self.columns = usize::MAX;
    }

    /// Remember the line from which values are taken; `padded` says that blanks were taken away at its end.
    pub fn of_line(&mut self, line: &'a [u8], padded: bool) {
        self.line = line;
        self.padded = padded;
        self.long = line.len() >= MAY_BE_CUT;
    }

    /// More must follow what the line ends with: it was cut there.
    pub fn set_unfinished(&mut self) {
        self.unfinished = true;
    }

    /// The pack says that no address, port or protocol ends such a line.
    pub fn set_goes_on(&mut self) {
        self.goes_on = true;
    }

    /// The pack says that such a line may end where this one does.
    pub fn set_whole(&mut self) {
        self.whole = true;
    }

    /// So many columns were found.
    pub fn set_columns(&mut self, columns: usize) {
        self.columns = columns;
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All that is said of the line's end is said: from here on `may_be_cut` is asked.
    pub fn settle_end(&mut self) {
        let end = if self.padded { 0 } else { self.line.as_ptr_range().end as usize };
        let cut = self.long || self.unfinished;
        self.cut_end = if cut { end } else { 0 };
        self.cut_endpoint = if cut || (self.goes_on && !self.whole) { end } else { 0 };
    }

    /// Whether a value ends where a line does that was cut, or may have been: its last digits may be missing. `endpoint` says that it is
    /// an address, a port or a protocol.
    #[inline(always)]
    pub fn may_be_cut(&self, value: &[u8], endpoint: bool) -> bool {
        value.as_ptr_range().end as usize == if endpoint { self.cut_endpoint } else { self.cut_end }
    }

    /// Keep a value unless the slot has one already.
    #[inline(always)]
    pub fn set(&mut self, slot: usize, value: &[u8]) {
        let Some(place) = self.places.get_mut(slot).filter(|place| place.start == u32::MAX) else {
            self.set_again(slot, value);
            return;
        };
        let start = (value.as_ptr() as usize).wrapping_sub(self.line.as_ptr() as usize);
        if start <= self.line.len() && value.len() <= self.line.len() - start {
            *place = Place { start: start as u32, length: value.len() as u32 };
        } else {
            *place = Place { start: self.made.len() as u32 | MADE, length: value.len() as u32 };
            self.made.extend_from_slice(value);
        }
    }

    #[inline(never)]
    fn set_again(&mut self, slot: usize, value: &[u8]) {
        if self.get(slot).is_some_and(|first| first != value)
            && let Some(bits) = self.again.get_mut(slot / 64)
        {
            *bits |= 1 << (slot % 64);
        }
    }

    /// Forget the values of those of `slots` for which there were two different ones: which one the device wrote, nobody knows.
    pub fn forget_doubtful(&mut self, slots: &[usize]) {
        for &slot in slots {
            let doubtful = self.again.get(slot / 64).is_some_and(|bits| bits >> (slot % 64) & 1 == 1);
            if let Some(place) = self.places.get_mut(slot).filter(|_| doubtful) {
                place.length = 0;
            }
        }
    }

    #[inline(always)]
    pub fn get(&self, slot: usize) -> Option<&[u8]> {
        let place = *self.places.get(slot)?;
        let start = (place.start & !MADE) as usize;
        let text = if place.start < MADE { self.line } else { self.made.as_slice() };
        text.get(start..start + place.length as usize)
    }

    /// A value that is not empty.
    #[inline(always)]
    pub fn filled(&self, slot: usize) -> Option<&[u8]> {
        if self.places.get(slot)?.length == 0 { None } else { self.get(slot) }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }
}

/// Whether a line could be split.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Whole,
    /// Not this syntax at all.
    No,
    /// This syntax, but cut off or broken; the slots before the break hold.
    Broken,
}

pub enum Syntax {
    Kv(kv::KeyValue),
    Csv(csv::Csv),
    Json(json::Paths),
    Cef(cef::Cef),
    Leef(leef::Leef),
    Xml(xml::Elements),
    Template(Vec<template::Template>),
}

impl Syntax {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        match self {
            Self::Kv(kv) => kv.split(body, slots),
            Self::Csv(csv) => csv.split(body, slots),
            Self::Json(paths) => paths.split(body, slots),
            Self::Cef(cef) => cef.split(body, slots),
            Self::Leef(leef) => leef.split(body, slots),
            Self::Xml(elements) => elements.split(body, slots),
            Self::Template(templates) => {
                let size = slots.len();
                for template in templates {
                    if template.split(body, slots) {
                        return Split::Whole;
                    }
                    slots.reset(size);
                }
                Split::No
            }
        }
    }
}

#[cfg(test)]
mod tests;
