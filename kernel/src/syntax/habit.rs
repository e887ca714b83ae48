//! Which key follows which: a product's lines repeat their keys in nearly the same order, so the next key is mostly known before it
//! is read, and need only be compared.
//!
//! A guess is taken only when exactly the learnt key and the equals sign behind it stand there, so that what is found never depends
//! on what was seen before. Memory is bounded; a line of endless new keys only loses the shortcut.

use hashbrown::HashMap;

/// More keys than any product's lines have.
const MOST_KEYS: usize = 512;
/// A key with its equals sign is compared as one number.
const WIDTH: usize = 16;

#[derive(Clone, Copy)]
struct Key {
    /// The key and the equals sign behind it, and which bits of a number they fill.
    text: u128,
    mask: u128,
    /// Of the two together; 0 for the beginning of a line.
    length: usize,
    slot: Option<usize>,
    /// What followed it the last time.
    next: usize,
}

/// What one kind of line has taught.
pub struct Habit {
    keys: Vec<Key>,
    numbers: HashMap<u128, usize>,
    /// The key before the next one; 0 stands for the line's beginning.
    before: usize,
}

impl Default for Habit {
    fn default() -> Self {
        // The beginning follows nothing: its text is never found.
        let beginning = Key { text: 1, mask: 0, length: 0, slot: None, next: 0 };
        Self { keys: vec![beginning], numbers: HashMap::new(), before: 0 }
    }
}

impl Habit {
    pub fn begin(&mut self) {
        self.before = 0;
    }

    /// The slot of the key at the start of `rest`, and what follows its equals sign, if it is the key that is expected.
    #[inline(always)]
    pub fn guess<'a>(&mut self, rest: &'a [u8]) -> Option<(Option<usize>, &'a [u8])> {
        let number = self.keys.get(self.before)?.next;
        let key = self.keys.get(number)?;
        let there = u128::from_le_bytes(*rest.first_chunk::<WIDTH>()?);
        if there & key.mask != key.text {
            return None;
        }
        self.before = number;
        Some((key.slot, rest.get(key.length..)?))
    }

    /// Learn that `key`, a key and its equals sign, follows the one before.
    pub fn learn(&mut self, key: &[u8], slot: Option<usize>) {
        let mut bytes = [0; WIDTH];
        let Some(place) = bytes.get_mut(..key.len()) else {
            return;
        };
        place.copy_from_slice(key);
        let text = u128::from_le_bytes(bytes);
        let number = match self.numbers.get(&text) {
            Some(&number) => number,
            None if self.keys.len() < MOST_KEYS => {
                let mask = u128::MAX >> ((WIDTH - key.len()) * 8);
                self.keys.push(Key { text, mask, length: key.len(), slot, next: 0 });
                self.numbers.insert(text, self.keys.len() - 1);
                self.keys.len() - 1
            }
            None => return,
        };
        if let Some(before) = self.keys.get_mut(self.before) {
            before.next = number;
        }
        self.before = number;
    }
}
