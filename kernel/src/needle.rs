//! Words in a text, in any case.

use memchr::memmem::Finder;
use smallvec::SmallVec;

/// A word to look for.
pub struct Needle(Finder<'static>);

/// A text in small letters. Most values are short.
pub struct Lowered(SmallVec<[u8; 128]>);

impl Lowered {
    pub fn new(text: &[u8]) -> Self {
        let mut lowered = SmallVec::from_slice(text);
        lowered.make_ascii_lowercase();
        Self(lowered)
    }
}

impl Needle {
    pub fn new(word: &[u8]) -> Self {
        Self(Finder::new(&word.to_ascii_lowercase()).into_owned())
    }

    pub fn stands_in(&self, text: &Lowered) -> bool {
        self.0.find(&text.0).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_case() {
        let text = Lowered::new("Connection DENIED by Ärger".as_bytes());
        for (word, there) in
            [("denied", true), ("DeNied", true), ("denies", false), ("", true), ("ärger", false), ("Ärger", true)]
        {
            assert_eq!(Needle::new(word.as_bytes()).stands_in(&text), there, "{word}");
        }
    }
}
