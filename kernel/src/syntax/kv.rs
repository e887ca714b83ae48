//! `key=value key="quoted value" FLAG …`, the way of most firewalls.

use super::{Slots, Split};
use hashbrown::HashMap;
use memchr::memchr2;
use std::borrow::Cow;

pub struct KeyValue {
    pub keys: HashMap<Box<[u8]>, usize>,
    /// Between pairs; white space is always skipped as well.
    pub pair: u8,
    pub equals: u8,
    pub quote: u8,
    /// Before a quote inside a quoted value; 0 for none.
    pub escape: u8,
}

impl KeyValue {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let mut at = 0;
        loop {
            while body.get(at).is_some_and(|byte| *byte == self.pair || byte.is_ascii_whitespace()) {
                at += 1;
            }
            let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) else {
                return Split::Whole;
            };
            let end =
                rest.iter().position(|&byte| byte == self.equals || byte == self.pair || byte == b' ').unwrap_or(rest.len());
            let key = rest.get(..end).unwrap_or_default();
            if rest.get(end) != Some(&self.equals) {
                // A bare word: a flag such as SYN, if somebody asks for it.
                if let Some(&slot) = self.keys.get(key) {
                    slots.set(slot, key);
                }
                at += end.max(1);
                continue;
            }
            at += end + 1;
            let Some((value, next)) = self.value(body, at) else {
                return Split::Broken;
            };
            if let Some(&slot) = self.keys.get(key) {
                slots.set(slot, value);
            }
            at = next;
        }
    }

    /// The value at `at`, and where the next pair may begin. None when a quote is never closed.
    fn value<'a>(&self, body: &'a [u8], at: usize) -> Option<(Cow<'a, [u8]>, usize)> {
        let rest = body.get(at..).unwrap_or_default();
        if rest.first() == Some(&self.quote) {
            return self.quoted(rest).map(|(value, used)| (value, at + used));
        }
        let end = memchr2(self.pair, b' ', rest).unwrap_or(rest.len());
        Some((Cow::Borrowed(&rest[..end]), at + end))
    }

    fn quoted<'a>(&self, rest: &'a [u8]) -> Option<(Cow<'a, [u8]>, usize)> {
        let mut at = 1;
        let mut escaped = false;
        loop {
            let found = at + memchr2(self.quote, self.escape.max(1), rest.get(at..)?)?;
            if rest.get(found) == Some(&self.quote) {
                let inner = rest.get(1..found)?;
                let value = if escaped { Cow::Owned(self.unescape(inner)) } else { Cow::Borrowed(inner) };
                return Some((value, found + 1));
            }
            if self.escape == 0 {
                at = found + 1;
                continue;
            }
            escaped = true;
            at = found + 2;
        }
    }

    fn unescape(&self, inner: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(&byte) = bytes.next() {
            match byte == self.escape {
                true => plain.extend(bytes.next()),
                false => plain.push(byte),
            }
        }
        plain
    }
}
