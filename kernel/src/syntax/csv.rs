//! Comma-separated values with RFC 4180 quotes. A column's number is its slot.

use super::{Slots, Split};
use memchr::{memchr, memmem};
use std::borrow::Cow;

pub struct Csv {
    pub separator: u8,
    pub quote: u8,
    /// How many columns are named. Further ones have no slot: the slots behind these are for what stands outside the body.
    pub columns: usize,
}

impl Csv {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let mut at = 0;
        for slot in 0..self.columns {
            let Some(rest) = body.get(at..) else { break };
            if rest.first() == Some(&self.quote) {
                let Some((value, used)) = self.quoted(rest) else {
                    return Split::Broken;
                };
                slots.set(slot, value);
                at += used;
            } else {
                let end = memchr(self.separator, rest).unwrap_or(rest.len());
                slots.set(slot, &rest[..end]);
                at += end;
            }
            if body.get(at) != Some(&self.separator) {
                break;
            }
            at += 1;
        }
        Split::Whole
    }

    fn quoted<'a>(&self, rest: &'a [u8]) -> Option<(Cow<'a, [u8]>, usize)> {
        let mut at = 1;
        loop {
            let close = at + memchr(self.quote, rest.get(at..)?)?;
            match rest.get(close + 1) {
                Some(next) if *next == self.quote => at = close + 2,
                next => {
                    // Text after a closing quote belongs to no value; go on at the separator.
                    let tail = next.map_or(0, |_| {
                        let after = rest.get(close + 1..).unwrap_or_default();
                        memchr(self.separator, after).unwrap_or(after.len())
                    });
                    let inner = rest.get(1..close)?;
                    return Some((self.undouble(inner), close + 1 + tail));
                }
            }
        }
    }

    fn undouble<'a>(&self, inner: &'a [u8]) -> Cow<'a, [u8]> {
        let pair = [self.quote, self.quote];
        if memmem::find(inner, &pair).is_none() {
            return Cow::Borrowed(inner);
        }
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().peekable();
        while let Some(&byte) = bytes.next() {
            plain.push(byte);
            if byte == self.quote && bytes.peek() == Some(&&self.quote) {
                bytes.next();
            }
        }
        Cow::Owned(plain)
    }
}
