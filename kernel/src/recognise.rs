//! Which pack's line a text is.
//!
//! Packs all of whose lines begin with a text of their own, or come from programs of their own, are tried first: their lines are
//! found by what stands where a message may begin, or by the program's name. Where many lines begin alike, and for all other packs,
//! literals are searched for in one pass. The few candidates are checked. Searches are made when they are first needed: a member has
//! a handful of products, not all.

use crate::header::Header;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind, StartKind};
use hashbrown::HashMap;
use literals::AnyOf;
use memchr::memmem::Finder;
use std::sync::OnceLock;

mod literals;

const LONGEST_PROGRAM: usize = 64;
/// So few lines that begin alike are sooner asked one by one than searched for.
const MOST_ALIKE: usize = 6;
/// Asking a line costs about as much as searching so many bytes (measured in instructions, on lines of 150 and of 600 bytes).
const ASKING: usize = 12;
/// How far behind the message's beginning a `locate` text may stand.
const LOCATED: usize = 160;

pub struct Wanted {
    /// All lines of the pack have `begins` or `programs`.
    pub direct: bool,
    /// Comes after all others.
    pub fallback: bool,
    /// Says nothing of traffic.
    pub noise: bool,
    pub begins: Vec<Box<[u8]>>,
    pub contains: Vec<Vec<Box<[u8]>>>,
    pub programs: Vec<Box<[u8]>>,
    /// A line without a program is none of these.
    pub programs_only: bool,
    pub locate: Option<Box<[u8]>>,
}

impl Wanted {
    /// The literals of which one must be seen: the group whose shortest member is longest, so that chance hits are few.
    fn key_literals(&self) -> &[Box<[u8]>] {
        let begins = std::iter::once(&self.begins);
        longest(self.contains.iter().chain(begins))
    }
}

fn longest<'w>(groups: impl Iterator<Item = &'w Vec<Box<[u8]>>>) -> &'w [Box<[u8]>] {
    let groups = groups.filter(|group| !group.is_empty());
    groups.max_by_key(|group| group.iter().map(|literal| literal.len()).min()).map_or(&[], Vec::as_slice)
}

/// A line's demands with their searches prepared.
struct Demands {
    begins: Vec<Box<[u8]>>,
    /// What settles the question soonest first.
    contains: Vec<AnyOf>,
    programs: Vec<Box<[u8]>>,
    programs_only: bool,
    locate: Option<Finder<'static>>,
    /// Of `contains`, what a search looks for.
    key: Vec<Box<[u8]>>,
}

impl Demands {
    fn of(wanted: Wanted) -> Self {
        let key = longest(wanted.contains.iter()).to_vec();
        let mut contains: Vec<AnyOf> = wanted.contains.into_iter().map(AnyOf::new).collect();
        contains.sort_by_key(AnyOf::cost);
        Self {
            contains,
            locate: wanted.locate.as_deref().map(|literal| Finder::new(literal).into_owned()),
            key,
            begins: wanted.begins,
            programs: wanted.programs,
            programs_only: wanted.programs_only,
        }
    }
}

/// Where a recognised line's body stands; `prefix` is what `locate` skipped.
pub struct Place {
    pub prefix: (usize, usize),
    pub body: usize,
}

/// One pass over a text for the literals of many lines.
struct Search {
    automaton: Option<DFA>,
    /// For each literal, the lines that may be meant when it is seen.
    keyed: Vec<Vec<usize>>,
    /// Lines that no literal tells.
    always: Vec<usize>,
}

impl Search {
    fn new<'w>(lines: impl Iterator<Item = (usize, &'w [Box<[u8]>])>) -> Self {
        let mut literals: Vec<&[u8]> = Vec::new();
        let mut numbers: HashMap<&[u8], usize> = HashMap::new();
        let (mut keyed, mut always): (Vec<Vec<usize>>, _) = (Vec::new(), Vec::new());
        for (line, keys) in lines {
            if keys.is_empty() {
                always.push(line);
            }
            for literal in keys {
                let number = *numbers.entry(literal).or_insert_with(|| {
                    literals.push(literal);
                    keyed.push(Vec::new());
                    literals.len() - 1
                });
                if let Some(lines) = keyed.get_mut(number) {
                    lines.push(line);
                }
            }
        }
        let builder =
            || DFA::builder().start_kind(StartKind::Unanchored).match_kind(MatchKind::Standard).prefilter(false).build(&literals);
        // It fails only for more states than fit in 31 bits, which the bound on packs' sizes excludes; then nothing is found.
        Self { automaton: builder().ok(), keyed, always }
    }

    fn run(&self, text: &[u8], found: &mut Vec<usize>) {
        found.extend(&self.always);
        let Some(automaton) = &self.automaton else { return };
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
        let mut rest = text.iter();
        while rest.any(|&byte| {
            state = automaton.next_state(Anchored::No, state, byte);
            automaton.is_special(state)
        }) {
            self.hit(automaton, state, found);
        }
    }

    #[inline(never)]
    fn hit(&self, automaton: &DFA, state: StateID, found: &mut Vec<usize>) {
        if automaton.is_match(state) {
            for hit in 0..automaton.match_len(state) {
                let pattern = automaton.match_pattern(state, hit).as_usize();
                found.extend(self.keyed.get(pattern).into_iter().flatten());
            }
        }
    }
}

/// Lines that begin with the same text.
struct Alike {
    lines: Vec<usize>,
    /// Tells them apart, where they are many.
    search: OnceLock<Search>,
}

pub struct Recogniser {
    wanted: Vec<Demands>,
    /// Finds which of the direct packs' beginnings stand at a place.
    beginnings: NFA,
    /// For each beginning, the lines that have it.
    alike: Vec<Alike>,
    /// The lines of direct packs that have no `begins`, by their programs' names in small letters.
    programs: HashMap<Box<[u8]>, Vec<usize>>,
    /// Lines that are only found by searching, and their literals.
    searched: Vec<(usize, Vec<Box<[u8]>>)>,
    search: OnceLock<Search>,
    /// For each line, its place in the order of preference.
    order: Vec<usize>,
}

impl Recogniser {
    /// `wanted` in order of preference. Errors name the first line that nothing distinguishes.
    pub fn new(wanted: Vec<Wanted>) -> Result<Self, String> {
        let (beginnings, alike, searched) = sorted(&wanted)?;
        let order = preference(&wanted);
        let programs = by_program(&wanted);
        let wanted = wanted.into_iter().map(Demands::of).collect();
        Ok(Self { wanted, beginnings, alike, programs, searched, search: OnceLock::new(), order })
    }

    /// The lines of direct packs that may begin here, in order of preference.
    pub fn direct(&self, text: &[u8], header: &Header, found: &mut Vec<usize>) {
        found.clear();
        for &start in &header.starts {
            self.begun(text, start, found);
        }
        if !header.program.is_empty() && header.program.len() <= LONGEST_PROGRAM {
            let mut name = [0; LONGEST_PROGRAM];
            if let Some(name) = name.get_mut(..header.program.len()) {
                name.copy_from_slice(header.program);
                name.make_ascii_lowercase();
                found.extend(self.programs.get(&*name).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
    }

    /// The direct packs' lines that begin as `text` does at `start`.
    fn begun(&self, text: &[u8], start: usize, found: &mut Vec<usize>) {
        let Ok(mut state) = self.beginnings.start_state(Anchored::Yes) else { return };
        for &byte in text.get(start..).unwrap_or_default() {
            state = self.beginnings.next_state(Anchored::Yes, state, byte);
            if !self.beginnings.is_special(state) {
                continue;
            }
            if self.beginnings.is_dead(state) {
                return;
            }
            if self.beginnings.is_match(state) {
                for hit in 0..self.beginnings.match_len(state) {
                    let pattern = self.beginnings.match_pattern(state, hit).as_usize();
                    if let Some(alike) = self.alike.get(pattern) {
                        self.told_apart(alike, text, found);
                    }
                }
            }
        }
    }

    fn told_apart(&self, alike: &Alike, text: &[u8], found: &mut Vec<usize>) {
        let lines = alike.lines.len();
        if lines <= MOST_ALIKE || lines * ASKING < text.len() {
            found.extend(&alike.lines);
            return;
        }
        let keys = |&line: &usize| Some((line, self.wanted.get(line)?.key.as_slice()));
        alike.search.get_or_init(|| Search::new(alike.lines.iter().filter_map(keys))).run(text, found);
    }

    /// Lines that only a search finds, in order of preference.
    pub fn candidates(&self, text: &[u8], found: &mut Vec<usize>) {
        found.clear();
        let lines = || self.searched.iter().map(|(line, keys)| (*line, keys.as_slice()));
        self.search.get_or_init(|| Search::new(lines())).run(text, found);
        found.sort_unstable_by_key(|&line| self.order.get(line));
        found.dedup();
    }

    /// Where the body of line kind `line` begins in `text`, if `text` is one.
    pub fn place(&self, line: usize, text: &[u8], header: &Header, tried: &mut dyn FnMut(Place) -> bool) -> bool {
        let Some(wanted) = self.wanted.get(line) else {
            return false;
        };
        let named = wanted.programs.iter().any(|name| name.eq_ignore_ascii_case(header.program));
        if !(named || wanted.programs.is_empty() || (header.program.is_empty() && !wanted.programs_only)) {
            return false;
        }
        if !wanted.contains.iter().all(|texts| texts.stand_in(text)) {
            return false;
        }
        // The last place first: a message begins behind its header.
        for &start in header.starts.iter().rev() {
            let Some(rest) = text.get(start..) else { continue };
            if !(wanted.begins.is_empty() || wanted.begins.iter().any(|literal| rest.starts_with(literal))) {
                continue;
            }
            let skipped = match &wanted.locate {
                None => 0,
                Some(locate) => {
                    let near = rest.get(..LOCATED + locate.needle().len()).unwrap_or(rest);
                    match locate.find(near).filter(|&at| !inside_quotes(near, at)) {
                        Some(at) => at,
                        None => continue,
                    }
                }
            };
            if tried(Place { prefix: (start, start + skipped), body: start + skipped }) {
                return true;
            }
        }
        false
    }
}

/// Which lines' beginnings are looked up, and which lines are searched for.
type Sorted = (NFA, Vec<Alike>, Vec<(usize, Vec<Box<[u8]>>)>);

fn sorted(wanted: &[Wanted]) -> Result<Sorted, String> {
    let mut beginnings: Vec<&[u8]> = Vec::new();
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut alike: Vec<Alike> = Vec::new();
    let mut searched = Vec::new();
    for (line, wanted) in wanted.iter().enumerate() {
        let keys = wanted.key_literals();
        if keys.is_empty() || keys.iter().chain(&wanted.begins).any(|literal| literal.is_empty()) {
            return Err(format!("line {line} has no literal to recognise it by"));
        }
        // Where a line has no header, its program is not known, and only a search finds it.
        if !wanted.direct || wanted.begins.is_empty() {
            if !(wanted.direct && wanted.programs_only) {
                searched.push((line, keys.to_vec()));
            }
            continue;
        }
        for literal in &wanted.begins {
            let number = *numbers.entry(literal).or_insert_with(|| {
                beginnings.push(literal);
                alike.push(Alike { lines: Vec::new(), search: OnceLock::new() });
                alike.len() - 1
            });
            if let Some(group) = alike.get_mut(number) {
                group.lines.push(line);
            }
        }
    }
    let beginnings = NFA::builder().match_kind(MatchKind::Standard).build(&beginnings).map_err(|error| error.to_string())?;
    Ok((beginnings, alike, searched))
}

/// For each line its place: direct packs' first, fallback packs' last, else as they come. What says nothing of traffic and is told
/// by a word anywhere comes behind all that says something: a stranger may have written that word.
fn preference(wanted: &[Wanted]) -> Vec<usize> {
    let rank = |line: &usize| {
        let wanted = wanted.get(*line);
        let is = |what: fn(&Wanted) -> bool| wanted.is_some_and(what);
        let idle = is(|wanted| wanted.noise && wanted.begins.is_empty());
        (is(|wanted| wanted.fallback), idle, is(|wanted| !wanted.direct), *line)
    };
    let mut ranked: Vec<usize> = (0..wanted.len()).collect();
    ranked.sort_by_key(rank);
    let mut order = vec![0; wanted.len()];
    for (place, line) in ranked.into_iter().enumerate() {
        if let Some(slot) = order.get_mut(line) {
            *slot = place;
        }
    }
    order
}

fn by_program(wanted: &[Wanted]) -> HashMap<Box<[u8]>, Vec<usize>> {
    let mut programs: HashMap<Box<[u8]>, Vec<usize>> = HashMap::new();
    for (line, wanted) in wanted.iter().enumerate().filter(|(_, wanted)| wanted.direct && wanted.begins.is_empty()) {
        for name in &wanted.programs {
            let lines = programs.entry(name.to_ascii_lowercase().into()).or_default();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    programs
}

/// Whether a quotation mark before `at` is still open there: what stands in it is some other product's value.
fn inside_quotes(text: &[u8], at: usize) -> bool {
    let mut open = false;
    let mut bytes = text.iter().take(at);
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => open = !open,
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests;
