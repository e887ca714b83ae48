//! `key=value key="quoted value" FLAG …`, the way of most firewalls.

use super::{Keys, Slots, Split};
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// The characters that a vendor's pairs are made of.
pub struct Signs {
    /// Between pairs; white space is always skipped as well.
    pub pair: u8,
    pub equals: u8,
    pub quote: u8,
    /// Before a quote inside a quoted value; 0 for none.
    pub escape: u8,
    /// A plain value that touches the line's end is not believed.
    pub last_may_be_cut: bool,
    /// Blanks belong to plain values, and to keys where `pair` is another sign.
    pub spaced: bool,
}

pub struct KeyValue {
    keys: Keys,
    signs: Signs,
    /// For each byte, whether it ends a plain value, and whether it ends a key: looked up for most bytes of a line.
    ends: [Ends; 256],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Nothing,
    Key,
    KeyAndValue,
}

impl KeyValue {
    pub fn new(keys: Keys, signs: Signs) -> Self {
        let mut ends = [Ends::Nothing; 256];
        ends[usize::from(signs.equals)] = Ends::Key;
        ends[usize::from(signs.pair)] = Ends::KeyAndValue;
        if !signs.spaced || signs.pair == b' ' {
            ends[usize::from(b' ')] = Ends::KeyAndValue;
            ends[usize::from(b'\t')] = Ends::KeyAndValue;
        }
        Self { keys, signs, ends }
    }

    fn ends(&self, byte: u8) -> Ends {
        self.ends[usize::from(byte)]
    }

    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let mut at = 0;
        loop {
            while body.get(at).is_some_and(|byte| *byte == self.signs.pair || byte.is_ascii_whitespace()) {
                at += 1;
            }
            let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) else {
                return Split::Whole;
            };
            let end = rest.iter().position(|&byte| self.ends(byte) != Ends::Nothing).unwrap_or(rest.len());
            let key = rest.get(..end).map(crate::value::trim).unwrap_or_default();
            if rest.get(end) != Some(&self.signs.equals) {
                // A bare word: a flag such as SYN, if somebody asks for it.
                if let Some(slot) = self.keys.get(key) {
                    slots.set(slot, key);
                }
                at += end.max(1);
                continue;
            }
            at += end + 1;
            let Some((value, next)) = self.value(body, at) else {
                return Split::Broken;
            };
            if let Some(slot) = self.keys.get(key)
                && !(self.signs.last_may_be_cut && next >= body.len() && body.last() != Some(&self.signs.quote))
            {
                slots.set(slot, value);
            }
            at = next;
        }
    }

    /// The value at `at`, and where the next pair may begin. None when a quote is never closed.
    fn value<'a>(&self, body: &'a [u8], at: usize) -> Option<(Cow<'a, [u8]>, usize)> {
        let mut at = at;
        if self.signs.spaced {
            at += body.get(at..)?.iter().take_while(|&&byte| byte == b' ').count();
        }
        let rest = body.get(at..).unwrap_or_default();
        if rest.first() == Some(&self.signs.quote) {
            return self.quoted(rest).map(|(value, used)| (value, at + used));
        }
        if self.signs.spaced && self.signs.pair == b' ' {
            let end = self.next_key(rest);
            return Some((Cow::Borrowed(&rest[..end]), at + end));
        }
        let end = rest.iter().position(|&byte| self.ends(byte) == Ends::KeyAndValue).unwrap_or(rest.len());
        Some((Cow::Borrowed(&rest[..end]), at + end))
    }

    /// Where the blank before the next ` key=` stands, or the end. A word that holds an equals sign already begins nothing, so each
    /// byte is looked at a bounded number of times.
    fn next_key(&self, rest: &[u8]) -> usize {
        let mut from = 0;
        while let Some(equals) = memchr(self.signs.equals, rest.get(from..).unwrap_or_default()).map(|found| from + found) {
            let words = rest.get(from..equals).unwrap_or_default();
            let space = words.iter().rposition(|&byte| byte == b' ');
            if let Some(space) = space.filter(|space| words.get(space + 1..).is_some_and(super::cef::is_key)) {
                return from + space;
            }
            from = equals + 1;
        }
        rest.len()
    }

    fn quoted<'a>(&self, rest: &'a [u8]) -> Option<(Cow<'a, [u8]>, usize)> {
        let mut at = 1;
        let mut escaped = false;
        loop {
            let found = at + memchr2(self.signs.quote, self.signs.escape.max(1), rest.get(at..)?)?;
            if rest.get(found) == Some(&self.signs.quote) {
                let inner = rest.get(1..found)?;
                let value = if escaped { Cow::Owned(self.unescape(inner)) } else { Cow::Borrowed(inner) };
                return Some((value, found + 1));
            }
            if self.signs.escape == 0 {
                at = found + 1;
                continue;
            }
            escaped = true;
            at = found + 2;
        }
    }

    /// An escape character before anything but a quote or itself is an ordinary character: `C:\temp`.
    fn unescape(&self, inner: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().peekable();
        while let Some(&byte) = bytes.next() {
            let next =
                bytes.next_if(|&&next| byte == self.signs.escape && (next == self.signs.quote || next == self.signs.escape));
            plain.push(*next.unwrap_or(&byte));
        }
        plain
    }
}
