//! One pass over a text for the literals of many lines.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::packed;
use aho_corasick::{Anchored, MatchKind, StartKind};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// So many literals are looked for at once by instructions for many bytes; more of them take turns.
const AT_ONCE: usize = 48;
/// More turns than this take longer than an automaton.
const MOST_TURNS: usize = 3;

pub struct Search {
    way: Way,
    /// For each literal, the lines that may be meant when it is seen.
    keyed: Vec<SmallVec<[usize; 2]>>,
    /// Lines that no literal tells.
    always: Vec<usize>,
}

enum Way {
    Packed(Vec<Packed>),
    Automaton(Box<DFA>),
    /// Nothing is found.
    None,
}

/// Literals that are looked for at once.
struct Packed {
    searcher: packed::Searcher,
    /// For each of the searcher's literals, which literals stand where it does: itself, and others that it begins with.
    standing: Vec<SmallVec<[usize; 2]>>,
}

impl Packed {
    /// None where the processor, or the literals, do not allow it.
    fn new(literals: &[(usize, &[u8])]) -> Option<Self> {
        // At one place the longest is found, and with it all that it begins with.
        let mut longest_first = literals.to_vec();
        longest_first.sort_by_key(|(_, literal)| std::cmp::Reverse(literal.len()));
        let mut builder = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        let searcher = builder.extend(longest_first.iter().map(|(_, literal)| literal)).build()?;
        let begins =
            |literal: &[u8]| literals.iter().filter(|(_, other)| literal.starts_with(other)).map(|(number, _)| *number).collect();
        Some(Self { searcher, standing: longest_first.iter().map(|(_, literal)| begins(literal)).collect() })
    }

    fn run(&self, text: &[u8], mut hit: impl FnMut(usize)) {
        let mut from = 0;
        while let Some(found) = self.searcher.find_in(text, (from..text.len()).into()) {
            let standing = self.standing.get(found.pattern().as_usize());
            standing.into_iter().flatten().for_each(|&literal| hit(literal));
            from = found.start() + 1;
        }
    }
}

impl Search {
    /// For lines, by number, and their literals.
    pub fn new<'w>(lines: impl Iterator<Item = (usize, &'w [Box<[u8]>])>) -> Self {
        let mut literals: Vec<&[u8]> = Vec::new();
        let mut numbers: HashMap<&[u8], usize> = HashMap::new();
        let (mut keyed, mut always): (Vec<SmallVec<[usize; 2]>>, _) = (Vec::new(), Vec::new());
        for (line, keys) in lines {
            if keys.is_empty() {
                always.push(line);
            }
            for literal in keys {
                let number = *numbers.entry(literal).or_insert_with(|| {
                    literals.push(literal);
                    keyed.push(SmallVec::new());
                    literals.len() - 1
                });
                if let Some(lines) = keyed.get_mut(number) {
                    lines.push(line);
                }
            }
        }
        Self { way: Way::new(&literals), keyed, always }
    }

    /// The lines of which a literal stands in `text`; one may come several times.
    pub fn run(&self, text: &[u8], found: &mut Vec<usize>) {
        found.extend(&self.always);
        let mut hit = |literal: usize| found.extend(self.keyed.get(literal).into_iter().flatten());
        match &self.way {
            Way::None => {}
            Way::Packed(turns) => turns.iter().for_each(|turn| turn.run(text, &mut hit)),
            Way::Automaton(automaton) => walk(automaton, text, &mut hit),
        }
    }
}

impl Way {
    fn new(literals: &[&[u8]]) -> Self {
        if literals.is_empty() {
            return Self::None;
        }
        let mut numbered: Vec<(usize, &[u8])> = literals.iter().copied().enumerate().collect();
        // Those that begin alike are told apart after one look.
        numbered.sort_by_key(|(_, literal)| *literal);
        let mut turns = numbered.chunks(AT_ONCE).map(Packed::new);
        let packed = if literals.len() <= AT_ONCE * MOST_TURNS { turns.by_ref().collect() } else { None };
        let builder =
            || DFA::builder().start_kind(StartKind::Unanchored).match_kind(MatchKind::Standard).prefilter(false).build(literals);
        // It fails only for more states than fit in 31 bits, which the bound on packs' sizes excludes; then nothing is found.
        packed.map(Self::Packed).or_else(|| Some(Self::Automaton(Box::new(builder().ok()?)))).unwrap_or(Self::None)
    }
}

fn walk(automaton: &DFA, text: &[u8], hit: &mut impl FnMut(usize)) {
    let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
    let mut rest = text.iter();
    while rest.any(|&byte| {
        state = automaton.next_state(Anchored::No, state, byte);
        automaton.is_special(state)
    }) {
        matches(automaton, state, hit);
    }
}

#[inline(never)]
fn matches(automaton: &DFA, state: StateID, hit: &mut impl FnMut(usize)) {
    if automaton.is_match(state) {
        for number in 0..automaton.match_len(state) {
            hit(automaton.match_pattern(state, number).as_usize());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few literals, many, and very many are looked for in different ways.
    #[test]
    fn every_literal_is_found_wherever_it_stands_and_whatever_it_begins_with() {
        for count in [3, 40, 100, 400] {
            let mut words: Vec<String> = (0..count).map(|number| format!("-{}: ", 100 + number * 7 % 999)).collect();
            words.extend(["-10", "-106023: ", "-106", "6023: x", " from "].map(str::to_owned));
            let keys: Vec<Vec<Box<[u8]>>> = words.iter().map(|word| vec![word.as_bytes().into()]).collect();
            let search = Search::new(keys.iter().enumerate().map(|(number, keys)| (number, keys.as_slice())));
            for text in ["", "x", "%ASA-4-106023: x from there", "-100: -107: -10-106: from", "----106023: x ", "a from b -793: "]
            {
                for padding in [0, 1, 15, 16, 31, 33, 200] {
                    let text = format!("{}{text}{}", "y".repeat(padding), "z".repeat(padding));
                    let mut found = Vec::new();
                    search.run(text.as_bytes(), &mut found);
                    found.sort_unstable();
                    found.dedup();
                    let plain: Vec<usize> = (0..words.len()).filter(|&word| text.contains(words[word].as_str())).collect();
                    assert_eq!(found, plain, "{text:?}");
                }
            }
        }
    }
}
