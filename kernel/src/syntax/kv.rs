//! `key=value key="quoted value" FLAG …`, the way of most firewalls.

use super::habit::{Gap, Habit, Proofs};
use super::scan::{self, Repeated};
use super::{Keys, Slots, Split};
use memchr::{memchr, memmem};

/// The characters that a vendor's pairs are made of.
pub struct Signs {
    /// Between pairs; white space is always skipped as well.
    pub pair: u8,
    pub equals: u8,
    pub quote: u8,
    /// Before a quote inside a quoted value; 0 for none.
    pub escape: u8,
    /// Blanks belong to plain values, and to keys where `pair` is another sign.
    pub spaced: bool,
}

pub struct KeyValue {
    /// Which habit is this kind of line's.
    number: usize,
    keys: Keys,
    signs: Signs,
    /// What ends a key (at most four signs), a plain value (three), and a quoted one; where fewer do, one stands again.
    key_ends: [Repeated; 4],
    value_ends: [Repeated; 3],
    quoted_ends: [Repeated; 2],
    /// Of each group of texts, one must stand in such a line.
    groups: Vec<Vec<Box<[u8]>>>,
}

/// A value as it stands, and what follows it.
struct Value<'a> {
    text: &'a [u8],
    /// Escapes are in it.
    escaped: bool,
    rest: &'a [u8],
}

impl KeyValue {
    pub fn new(number: usize, keys: Keys, signs: Signs) -> Self {
        let blanks = !signs.spaced || signs.pair == b' ';
        let (space, tab) = if blanks { (b' ', b'\t') } else { (signs.pair, signs.pair) };
        let escape = if signs.escape == 0 { signs.quote } else { signs.escape };
        Self {
            number,
            keys,
            key_ends: [signs.equals, space, tab, signs.pair].map(Repeated::new),
            value_ends: [space, tab, signs.pair].map(Repeated::new),
            quoted_ends: [signs.quote, escape].map(Repeated::new),
            groups: Vec::new(),
            signs,
        }
    }

    /// Of each of `groups`, one text must stand in such a line: its keys may prove that one does.
    pub fn demanding(self, groups: Vec<Vec<Box<[u8]>>>) -> Self {
        Self { groups, ..self }
    }

    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let mut habits = std::mem::take(&mut slots.habits);
        if habits.len() <= self.number {
            habits.resize_with(self.number + 1, || None);
        }
        let habit = habits.get_mut(self.number).map(Option::get_or_insert_default);
        let found = habit.map_or(Split::No, |habit| {
            let found = self.pairs(body, slots, habit);
            slots.proved = habit.proved;
            found
        });
        slots.habits = habits;
        found
    }

    fn pairs<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>, habit: &mut Habit) -> Split {
        let mut rest = body;
        habit.begin();
        loop {
            rest = habit.walk(rest, body, |gap, after| self.expected(gap, after, slots));
            let Some((slot, after)) = self.key(rest, slots, habit) else {
                return Split::Whole;
            };
            let Some(value) = self.value(after) else {
                return Split::Broken;
            };
            rest = value.rest;
            if let Some(slot) = slot {
                match value.escaped {
                    false => slots.set(slot, value.text),
                    true => slots.set(slot, &self.unescape(value.text)),
                }
            }
        }
    }

    /// Keep the value behind an expected gap, and give what follows it. None where it needs a closer look.
    #[inline(always)]
    fn expected<'a>(&self, gap: &Gap, after: &'a [u8], slots: &mut Slots<'a>) -> Option<&'a [u8]> {
        let (end, rest);
        if gap.quoted {
            end = scan::find(self.quoted_ends, after);
            rest = after.get(end + 1..)?;
            let doubled = self.signs.escape == self.signs.quote && rest.first() == Some(&self.signs.quote);
            if after.get(end) != Some(&self.signs.quote) || doubled {
                return None;
            }
        } else {
            if self.signs.spaced || after.first() == Some(&self.signs.quote) {
                return None;
            }
            end = scan::find(self.value_ends, after);
            rest = after.get(end..)?;
        }
        if let Some(slot) = gap.slot() {
            slots.set(slot, after.get(..end)?);
        }
        Some(rest)
    }

    /// Which groups of texts a gap is enough for.
    fn proves(&self, gap: &[u8]) -> Proofs {
        let proved = |group: &Vec<Box<[u8]>>| group.iter().any(|text| memmem::find(gap, text).is_some());
        let groups = self.groups.iter().take(Proofs::BITS as usize).enumerate();
        groups.fold(0, |proofs, (number, group)| proofs | Proofs::from(proved(group)) << number)
    }

    /// The next key in `rest`: its slot, and what follows its equals sign. None at the end. Bare words before it are flags, such as
    /// SYN, and are kept if somebody asks for them.
    #[inline(never)]
    fn key<'a>(&self, rest: &'a [u8], slots: &mut Slots<'a>, habit: &mut Habit) -> Option<(Option<usize>, &'a [u8])> {
        let mut at = self.separators(rest, 0);
        let mut bare = false;
        loop {
            let here = rest.get(at..).filter(|here| !here.is_empty())?;
            let end = scan::find(self.key_ends, here);
            let word = here.get(..end)?;
            let key = if self.signs.spaced { crate::value::trim(word) } else { word };
            let slot = self.keys.get(key);
            if here.get(end) != Some(&self.signs.equals) {
                if let Some(slot) = slot {
                    slots.set(slot, key);
                }
                bare = true;
                at = self.separators(rest, at + end.max(1));
                continue;
            }
            let value = at + end + 1;
            let quoted = rest.get(value) == Some(&self.signs.quote);
            if end > 0 && !bare {
                let gap = rest.get(..value + usize::from(quoted)).unwrap_or_default();
                habit.learn(gap, slot, quoted, || self.proves(gap));
            }
            return Some((slot, rest.get(value..)?));
        }
    }

    /// Where the separators that stand at `at` end.
    fn separators(&self, rest: &[u8], at: usize) -> usize {
        let separator = |byte: &&u8| **byte == self.signs.pair || byte.is_ascii_whitespace();
        at + rest.get(at..).unwrap_or_default().iter().take_while(separator).count()
    }

    /// The value at the start of `rest`. None when a quote is never closed.
    #[inline(always)]
    fn value<'a>(&self, mut rest: &'a [u8]) -> Option<Value<'a>> {
        if self.signs.spaced {
            while let Some(after) = rest.strip_prefix(b" ") {
                rest = after;
            }
        }
        if let Some((first, inner)) = rest.split_first()
            && *first == self.signs.quote
        {
            return self.quoted(inner);
        }
        let end = match self.signs.spaced && self.signs.pair == b' ' {
            true => self.next_key(rest),
            false => scan::find(self.value_ends, rest),
        };
        let (text, rest) = rest.split_at_checked(end)?;
        Some(Value { text, escaped: false, rest })
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

    #[inline(always)]
    fn quoted<'a>(&self, inner: &'a [u8]) -> Option<Value<'a>> {
        let mut end = scan::find(self.quoted_ends, inner);
        let mut escaped = false;
        // Where the escape is the quote itself, two of them are one.
        let doubled = |end: usize| self.signs.escape == self.signs.quote && inner.get(end + 1) == Some(&self.signs.quote);
        while *inner.get(end)? != self.signs.quote || doubled(end) {
            escaped = true;
            end += 2;
            end += scan::find(self.quoted_ends, inner.get(end..)?);
        }
        Some(Value { text: inner.get(..end)?, escaped, rest: inner.get(end + 1..)? })
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
