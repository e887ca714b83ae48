//! Words that a pack lists, in any case, and what each of them means. Most are short, and are compared as numbers.

use hashbrown::HashMap;
use smallvec::SmallVec;

/// Longer words than this are in no table.
const LONGEST: usize = 128;
/// As for keys (`syntax/keys.rs`): only packs' words are in the table, so no stranger can make it slow.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const FEWEST_BITS: u32 = 2;

/// At most sixteen bytes as a number, in small letters, and how many they are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Short(u128, usize);

impl Short {
    #[inline(always)]
    fn new(word: &[u8]) -> Option<Self> {
        let mut bytes = crate::value::sixteen(word)?.to_le_bytes();
        bytes.make_ascii_lowercase();
        Some(Self(u128::from_le_bytes(bytes), word.len()))
    }
}

/// What each word means.
pub struct Table<T> {
    /// Open addressing, at most half full.
    short: Vec<Option<(Short, T)>>,
    shift: u32,
    long: HashMap<Box<[u8]>, T>,
}

impl<T> Table<T> {
    fn place(&self, word: Short) -> usize {
        let folded = word.0 as u64 ^ (word.0 >> 64) as u64 ^ (word.1 as u64) << 56;
        (folded.wrapping_mul(SPREAD) >> self.shift) as usize
    }

    pub fn get(&self, word: &[u8]) -> Option<&T> {
        let Some(wanted) = Short::new(word) else {
            return self.long(word);
        };
        let mut place = self.place(wanted);
        while let Some(Some((word, found))) = self.short.get(place) {
            if *word == wanted {
                return Some(found);
            }
            place = (place + 1) & (self.short.len() - 1);
        }
        None
    }
}

impl<T> Table<T> {
    #[inline(never)]
    fn long(&self, word: &[u8]) -> Option<&T> {
        if self.long.is_empty() {
            return None;
        }
        let mut lower: SmallVec<[u8; LONGEST]> = SmallVec::from_slice(word.get(..word.len().min(LONGEST))?);
        lower.make_ascii_lowercase();
        self.long.get(lower.as_slice()).filter(|_| word.len() <= LONGEST)
    }
}

impl<W: AsRef<[u8]>, T> FromIterator<(W, T)> for Table<T> {
    /// The first meaning of a word that is given twice stands.
    fn from_iter<I: IntoIterator<Item = (W, T)>>(pairs: I) -> Self {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let bits = (pairs.len() * 2 + 1).next_power_of_two().trailing_zeros().max(FEWEST_BITS);
        let short = (0..1_usize << bits).map(|_| None).collect();
        let mut table = Self { short, shift: 64 - bits, long: HashMap::new() };
        for (word, meaning) in pairs {
            let word = word.as_ref();
            if table.get(word).is_some() {
                continue;
            }
            let Some(number) = Short::new(word) else {
                table.long.insert(word.to_ascii_lowercase().into(), meaning);
                continue;
            };
            let mut place = table.place(number);
            while table.short.get(place).is_some_and(Option::is_some) {
                place = (place + 1) & (table.short.len() - 1);
            }
            if let Some(free) = table.short.get_mut(place) {
                *free = Some((number, meaning));
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_length_in_any_case() {
        let all: Vec<String> =
            (0..160).map(|length| "aBcDeFgHiJ".chars().cycle().skip(length % 7).take(length).collect()).collect();
        let table: Table<usize> = all.iter().enumerate().map(|(number, word)| (word.as_bytes(), number)).collect();
        for (number, word) in all.iter().enumerate() {
            let wanted = (number <= LONGEST).then_some(&number);
            assert_eq!(table.get(word.as_bytes()), wanted, "{word}");
            assert_eq!(table.get(word.to_uppercase().as_bytes()), wanted, "{word}");
            assert_eq!(table.get(format!("{word}!").as_bytes()), None);
            assert_eq!(table.get(format!("{word}\0").as_bytes()), None);
        }
        assert_eq!(Table::<u8>::from_iter(Vec::<(&[u8], u8)>::new()).get(b"x"), None);
        let twice = Table::from_iter([("deny", 1), ("DENY", 2)]);
        assert_eq!(twice.get(b"Deny"), Some(&1));
    }
}
