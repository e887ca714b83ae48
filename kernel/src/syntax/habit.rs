//! What follows what: a product's lines repeat their keys in nearly the same order, so what stands between two values (a separator,
//! the next key, its equals sign, a quotation mark) is mostly known before it is read, and need only be compared.
//!
//! A guess is taken only when exactly the learnt bytes stand there, so that what is found never depends on what was seen before.
//! Memory is bounded; a line of endless new keys only loses the shortcut.

use hashbrown::HashMap;

/// More keys than any product's lines have.
const MOST_KEYS: usize = 512;
/// What stands between two values is compared as one number.
const WIDTH: usize = 16;

#[derive(Clone, Copy)]
struct Gap {
    /// What stands there, and which bits of a number it fills.
    text: u128,
    mask: u128,
    length: usize,
    /// Of the key in it.
    slot: Option<usize>,
    /// It ends with the mark that begins a quoted value.
    quoted: bool,
    /// What followed it the last time, and what the last time that it was something else: a product has lines of several kinds.
    next: usize,
    other: usize,
}

/// What one kind of line has taught.
pub struct Habit {
    gaps: Vec<Gap>,
    numbers: HashMap<u128, usize>,
    /// The gap before the next one; 0 stands for the line's beginning.
    before: usize,
}

impl Default for Habit {
    fn default() -> Self {
        // The beginning follows nothing: its text is never found.
        let beginning = Gap { text: 1, mask: 0, length: 0, slot: None, quoted: false, next: 0, other: 0 };
        Self { gaps: vec![beginning], numbers: HashMap::new(), before: 0 }
    }
}

impl Habit {
    pub fn begin(&mut self) {
        self.before = 0;
    }

    /// The next key's slot, what follows the gap at the start of `rest`, and whether that is a quoted value's text; if it is the gap
    /// that is expected.
    #[inline(always)]
    pub fn guess<'a>(&mut self, rest: &'a [u8]) -> Option<(Option<usize>, &'a [u8], bool)> {
        let there = u128::from_le_bytes(*rest.first_chunk::<WIDTH>()?);
        let before = self.gaps.get(self.before)?;
        let mut number = before.next;
        let mut gap = self.gaps.get(number)?;
        if there & gap.mask != gap.text {
            number = before.other;
            gap = self.gaps.get(number).filter(|gap| there & gap.mask == gap.text)?;
        }
        self.before = number;
        Some((gap.slot, rest.get(gap.length..)?, gap.quoted))
    }

    /// Learn that `gap`, with a key and its equals sign, follows the one before.
    pub fn learn(&mut self, gap: &[u8], slot: Option<usize>, quoted: bool) {
        let mut bytes = [0; WIDTH];
        let Some(place) = bytes.get_mut(..gap.len()).filter(|place| !place.is_empty()) else {
            return;
        };
        place.copy_from_slice(gap);
        let text = u128::from_le_bytes(bytes);
        let number = match self.numbers.get(&text) {
            Some(&number) => number,
            None if self.gaps.len() < MOST_KEYS => {
                let mask = u128::MAX >> ((WIDTH - gap.len()) * 8);
                self.gaps.push(Gap { text, mask, length: gap.len(), slot, quoted, next: 0, other: 0 });
                self.numbers.insert(text, self.gaps.len() - 1);
                self.gaps.len() - 1
            }
            None => return,
        };
        if let Some(before) = self.gaps.get_mut(self.before) {
            before.other = before.next;
            before.next = number;
        }
        self.before = number;
    }
}
