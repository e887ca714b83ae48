//! Values by position: RFC 4180 and its relatives, web servers' logs among them. A column's number is its slot.

use super::scan::{self, LANES, Repeated};
use super::{Slots, Split};
use memchr::{memchr, memchr2, memmem};
use std::borrow::Cow;

pub struct Csv {
    pub separator: u8,
    pub quote: u8,
    /// Before a quote inside a quoted value, where quotes are not doubled; 0 for none.
    pub escape: u8,
    /// `[…]` is one value.
    pub brackets: bool,
    /// Several separators count as one.
    pub collapse: bool,
    /// How many columns are named. Further ones have no slot: the slots behind these are for what stands outside the body.
    pub columns: usize,
    /// Where the number of all columns goes, if somebody asks.
    pub count: Option<usize>,
}

impl Csv {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let (mut column, mut at) = self.plain(body, slots);
        let found = loop {
            if column >= self.columns && self.count.is_none() {
                break Split::Whole;
            }
            let Some((value, next)) = self.value(body, at) else {
                break Split::Broken;
            };
            if column < self.columns {
                slots.set(column, &value);
            }
            column += 1;
            at = next;
            if body.get(at) != Some(&self.separator) {
                break Split::Whole;
            }
            at += 1;
            while self.collapse && body.get(at) == Some(&self.separator) {
                at += 1;
            }
        };
        slots.set_columns(column);
        if let Some(slot) = self.count {
            slots.set(slot, column.to_string().as_bytes());
        }
        found
    }

    /// The first columns, as long as nothing but separators has a meaning: how many there are, and where the next one begins.
    fn plain<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> (usize, usize) {
        let signs = [self.quote, if self.brackets { b'[' } else { self.quote }].map(Repeated::new);
        let separators = [Repeated::new(self.separator)];
        let (mut column, mut start) = (0, 0);
        if self.collapse {
            return (column, start);
        }
        let mut rest = body;
        while let Some((chunk, after)) = rest.split_first_chunk::<LANES>() {
            if scan::marks(signs, *chunk) != 0 {
                break;
            }
            let first = body.len() - rest.len();
            let mut found = scan::marks(separators, *chunk);
            while found != 0 {
                if column >= self.columns && self.count.is_none() {
                    return (column, start);
                }
                let end = first + found.trailing_zeros() as usize;
                if column < self.columns {
                    slots.set(column, body.get(start..end).unwrap_or_default());
                }
                found &= found - 1;
                (column, start) = (column + 1, end + 1);
            }
            rest = after;
        }
        (column, start)
    }

    /// The value at `at` and where it ends; None when a quote is never closed.
    fn value<'a>(&self, body: &'a [u8], at: usize) -> Option<(Cow<'a, [u8]>, usize)> {
        let rest = body.get(at..)?;
        let blanks = if self.separator == b' ' { 0 } else { rest.iter().take_while(|&&byte| byte == b' ').count() };
        let inner = &rest[blanks..];
        if inner.first() == Some(&self.quote) {
            let (value, used) = self.quoted(inner)?;
            return Some((value, at + blanks + used));
        }
        if self.brackets
            && inner.first() == Some(&b'[')
            && let Some(close) = memchr(b']', inner)
        {
            return Some((Cow::Borrowed(&inner[1..close]), at + blanks + close + 1 + self.tail(&inner[close + 1..])));
        }
        let end = memchr(self.separator, rest).unwrap_or(rest.len());
        Some((Cow::Borrowed(&rest[..end]), at + end))
    }

    /// Text after a closing quote belongs to no value; go on at the separator.
    fn tail(&self, after: &[u8]) -> usize {
        memchr(self.separator, after).unwrap_or(after.len())
    }

    fn quoted<'a>(&self, rest: &'a [u8]) -> Option<(Cow<'a, [u8]>, usize)> {
        let mut at = 1;
        loop {
            let found = at + memchr2(self.quote, self.escape.max(1), rest.get(at..)?)?;
            if self.escape != 0 && rest.get(found) == Some(&self.escape) {
                at = found + 2;
                continue;
            }
            if rest.get(found) != Some(&self.quote) {
                at = found + 1;
                continue;
            }
            match rest.get(found + 1) {
                Some(next) if *next == self.quote && self.escape == 0 => at = found + 2,
                _ => {
                    let inner = rest.get(1..found)?;
                    let value = if self.escape == 0 { self.undouble(inner) } else { self.unescape(inner) };
                    return Some((value, found + 1 + self.tail(&rest[found + 1..])));
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

    /// An escape character before anything but a quote or itself is an ordinary character.
    fn unescape<'a>(&self, inner: &'a [u8]) -> Cow<'a, [u8]> {
        if memchr(self.escape, inner).is_none() {
            return Cow::Borrowed(inner);
        }
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().peekable();
        while let Some(&byte) = bytes.next() {
            let next = bytes.next_if(|&&next| byte == self.escape && (next == self.quote || next == self.escape));
            plain.push(*next.unwrap_or(&byte));
        }
        Cow::Owned(plain)
    }
}
