//! Whether one of some texts stands in a line.

use aho_corasick::packed::{self, MatchKind};
use memchr::memmem::Finder;
use std::sync::OnceLock;

/// So few texts are sooner looked for one by one (measured in instructions, on lines of 640 bytes that hold none).
const FEW: usize = 8;

/// Texts of which one must stand in a line. The search is prepared when it is first needed: a member has a handful of products.
pub struct AnyOf {
    literals: Vec<Box<[u8]>>,
    search: OnceLock<Search>,
}

enum Search {
    One(Finder<'static>),
    Packed(packed::Searcher),
    /// Where the processor, or the texts, do not allow to look for all at once.
    Each(Vec<Finder<'static>>),
}

impl AnyOf {
    pub fn new(literals: Vec<Box<[u8]>>) -> Self {
        Self { literals, search: OnceLock::new() }
    }

    pub fn stand_in(&self, text: &[u8]) -> bool {
        match self.search.get_or_init(|| self.prepared()) {
            Search::One(finder) => finder.find(text).is_some(),
            Search::Packed(searcher) => searcher.find(text).is_some(),
            Search::Each(finders) => finders.iter().any(|finder| finder.find(text).is_some()),
        }
    }

    pub fn texts(&self) -> &[Box<[u8]>] {
        &self.literals
    }

    /// How likely these are to settle a question at once: few long texts before many short ones.
    pub fn cost(&self) -> (usize, std::cmp::Reverse<usize>) {
        (self.literals.len(), std::cmp::Reverse(self.literals.iter().map(|literal| literal.len()).min().unwrap_or(0)))
    }

    fn prepared(&self) -> Search {
        let finder = |literal: &[u8]| Finder::new(literal).into_owned();
        if let [literal] = self.literals.as_slice() {
            return Search::One(finder(literal));
        }
        let each = || Search::Each(self.literals.iter().map(|literal| finder(literal)).collect());
        if self.literals.len() <= FEW {
            return each();
        }
        let mut builder = packed::Config::new().match_kind(MatchKind::LeftmostFirst).builder();
        builder.extend(&self.literals).build().map_or_else(each, Search::Packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_one_of_several_wherever_it_stands() {
        let boxed = |texts: &[&str]| AnyOf::new(texts.iter().map(|text| text.as_bytes().into()).collect());
        let many: Vec<String> = (0..200).map(|number| format!("word{number:03}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for texts in [&["src="][..], &["src=", "dst="], &["a", "b", " c"], &many] {
            let any = boxed(texts);
            for text in texts {
                for before in [0, 1, 15, 16, 17, 100] {
                    let line = format!("{}{text}{}", "x".repeat(before), "y".repeat(40));
                    assert!(any.stand_in(line.as_bytes()), "{text} in {line}");
                }
                assert!(any.stand_in(text.as_bytes()));
            }
            assert!(!any.stand_in(b""));
            assert!(!any.stand_in("zZ9-".repeat(40).as_bytes()));
        }
    }
}
