//! The keys that a pack asks for. Lines hold many more than are asked for, so what counts is to say no quickly.

use super::scan;

struct Entry {
    /// The key's first eight bytes, and the key.
    prefix: u64,
    key: Box<[u8]>,
    slot: usize,
}

/// Open addressing, at most a quarter full.
pub struct Keys {
    entries: Vec<Option<Entry>>,
    shift: u32,
}

/// The multiplier of Fibonacci hashing, 2^64 divided by the golden ratio. Nothing that a stranger could make slow: only packs' keys
/// are in the table, and a search for any other ends at the first empty place.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const FEWEST_BITS: u32 = 4;

impl Keys {
    fn place(&self, prefix: u64, length: usize) -> usize {
        ((prefix ^ (length as u64) << 56).wrapping_mul(SPREAD) >> self.shift) as usize
    }

    /// The slot of a key, if anybody asks for it.
    pub fn get(&self, key: &[u8]) -> Option<usize> {
        let prefix = scan::prefix(key);
        let mut place = self.place(prefix, key.len());
        while let Some(Some(entry)) = self.entries.get(place) {
            if entry.prefix == prefix && *entry.key == *key {
                return Some(entry.slot);
            }
            place = (place + 1) & (self.entries.len() - 1);
        }
        None
    }
}

impl<'k> FromIterator<(&'k [u8], usize)> for Keys {
    fn from_iter<I: IntoIterator<Item = (&'k [u8], usize)>>(keys: I) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        let bits = (keys.len() * 4).next_power_of_two().trailing_zeros().max(FEWEST_BITS);
        let mut table = Self { entries: (0..1_usize << bits).map(|_| None).collect(), shift: 64 - bits };
        for (key, slot) in keys {
            let prefix = scan::prefix(key);
            let mut place = table.place(prefix, key.len());
            while table.entries.get(place).is_some_and(Option::is_some) {
                place = (place + 1) & (table.entries.len() - 1);
            }
            if let Some(free) = table.entries.get_mut(place) {
                *free = Some(Entry { prefix, key: key.into(), slot });
            }
        }
        table
    }
}
