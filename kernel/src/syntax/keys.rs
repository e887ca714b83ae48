//! The keys that a pack asks for. Lines hold many more than are asked for, so what counts is to say no quickly.

/// A power of two, well above the number of keys of any line kind.
const BUCKETS: usize = 256;

pub struct Keys {
    buckets: Vec<Vec<(Box<[u8]>, usize)>>,
}

/// Nothing that a stranger could make slow: a bucket holds keys of packs only.
fn bucket(key: &[u8]) -> usize {
    let byte = |at: usize| usize::from(key.get(at).copied().unwrap_or_default());
    let middle = byte(key.len() / 2);
    let last = byte(key.len().saturating_sub(1));
    (byte(0) ^ (middle << 2) ^ (last << 4) ^ (key.len() << 3) ^ (last >> 3)) % BUCKETS
}

impl Keys {
    /// The slot of a key, if anybody asks for it.
    pub fn get(&self, key: &[u8]) -> Option<usize> {
        self.buckets.get(bucket(key))?.iter().find(|(known, _)| **known == *key).map(|&(_, slot)| slot)
    }
}

impl<'k> FromIterator<(&'k [u8], usize)> for Keys {
    fn from_iter<I: IntoIterator<Item = (&'k [u8], usize)>>(keys: I) -> Self {
        let mut buckets = vec![Vec::new(); BUCKETS];
        for (key, slot) in keys {
            if let Some(place) = buckets.get_mut(bucket(key)) {
                place.push((key.into(), slot));
            }
        }
        Self { buckets }
    }
}
