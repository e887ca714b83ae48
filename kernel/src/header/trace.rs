//! What a header was read from, so that the next line that begins alike need not be read again (`opening.rs`).
//!
//! Every byte that could have changed what was found lies before `seen`. The reader tells digits from other bytes and hardly ever one
//! digit from another; where it does, the bytes are in `exact`, but for times of the day, which are in `clocks`.

use crate::time::{Clock, Seen};
use smallvec::SmallVec;

/// A time of the day in a header, and the time that midnight would be.
#[derive(Clone, Copy)]
pub struct TimeOfDay {
    pub clock: Clock,
    pub midnight: i64,
    /// The year is not said.
    pub yearless: bool,
}

#[derive(Clone, Default)]
pub struct Trace {
    /// All that was looked at stands before this offset; where it is behind the line's end, the end was seen.
    pub seen: usize,
    /// Parts whose digits count, from and to.
    pub exact: SmallVec<[(usize, usize); 8]>,
    pub clocks: SmallVec<[TimeOfDay; 2]>,
    /// Something counted that can not be said so.
    pub lost: bool,
}

impl Trace {
    pub fn see(&mut self, to: usize) {
        self.seen = self.seen.max(to);
    }

    pub fn see_exactly(&mut self, from: usize, to: usize) {
        self.see(to);
        if from < to {
            self.exact.push((from, to));
        }
    }

    /// A time was looked for at `start`; `found` says that one was taken.
    pub fn time(&mut self, start: usize, seen: Seen, found: bool) {
        match seen.clock {
            Some((Clock { at, fraction }, midnight)) if found => {
                let clock = Clock { at: start + at, fraction };
                self.see_exactly(start, clock.at);
                self.see_exactly(clock.end(), start + seen.bytes);
                self.clocks.push(TimeOfDay { clock, midnight, yearless: seen.yearless });
            }
            _ if found || seen.weighed => {
                self.see_exactly(start, start + seen.bytes);
                self.lost |= found;
            }
            _ => self.see(start + seen.bytes),
        }
    }
}
