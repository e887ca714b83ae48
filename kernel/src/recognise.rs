//! Which pack's line a text is.
//!
//! Packs all of whose lines begin with a text of their own, or come from programs of their own, are tried first: their lines are
//! found by what stands where a message may begin, or by the program's name. Where many lines begin alike, and for all other packs,
//! literals are searched for in one pass. The few candidates are checked. Searches are made when they are first needed: a member has
//! a handful of products, not all.

use crate::header::Header;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
pub use asked::Choice;
use asked::Shared;
use hashbrown::HashMap;
use literals::AnyOf;
use memchr::memmem::Finder;
use search::Search;
use std::sync::OnceLock;

mod asked;
mod literals;
mod search;

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
    shared: Shared,
}

impl Recogniser {
    /// `wanted` in order of preference. Errors name the first line that nothing distinguishes.
    pub fn new(wanted: Vec<Wanted>) -> Result<Self, String> {
        let (beginnings, alike, searched) = sorted(&wanted)?;
        let order = preference(&wanted);
        let programs = by_program(&wanted);
        let wanted = wanted.into_iter().map(Demands::of).collect();
        Ok(Self { wanted, beginnings, alike, programs, searched, search: OnceLock::new(), order, shared: Shared::default() })
    }

    /// The lines of direct packs that may begin here, in order of preference.
    pub fn direct(&self, text: &[u8], header: &Header, found: &mut Vec<usize>) {
        found.clear();
        for &start in &header.starts {
            self.begun(text, start, |alike| self.told_apart(alike, text, found));
        }
        found.extend(self.of_program(header.program));
        found.sort_unstable();
        found.dedup();
    }

    /// The direct packs' lines that come from `program` and have no `begins`.
    fn of_program(&self, program: &[u8]) -> &[usize] {
        let mut name = [0; LONGEST_PROGRAM];
        let Some(name) = name.get_mut(..program.len()).filter(|name| !name.is_empty()) else { return &[] };
        name.copy_from_slice(program);
        name.make_ascii_lowercase();
        self.programs.get(&*name).map_or(&[], Vec::as_slice)
    }

    /// The direct packs' lines that begin as `text` does at `start`; gives how many bytes were looked at, and of how many
    /// each digit counts.
    fn begun<'r>(&'r self, text: &[u8], start: usize, mut found: impl FnMut(&'r Alike)) -> (usize, usize) {
        let rest = text.get(start..).unwrap_or_default();
        let Ok(mut state) = self.beginnings.start_state(Anchored::Yes) else { return (0, 0) };
        for (at, &byte) in rest.iter().enumerate() {
            let before = state;
            state = self.beginnings.next_state(Anchored::Yes, state, byte);
            if !self.beginnings.is_special(state) {
                continue;
            }
            if self.beginnings.is_dead(state) {
                let any = byte.is_ascii_digit() && self.no_digit_goes_on(before);
                return (at + 1, at + usize::from(!any));
            }
            if self.beginnings.is_match(state) {
                for hit in 0..self.beginnings.match_len(state) {
                    let pattern = self.beginnings.match_pattern(state, hit).as_usize();
                    self.alike.get(pattern).into_iter().for_each(&mut found);
                }
            }
        }
        (rest.len() + 1, rest.len() + 1)
    }

    fn no_digit_goes_on(&self, state: StateID) -> bool {
        (b'0'..=b'9').all(|digit| self.beginnings.is_dead(self.beginnings.next_state(Anchored::Yes, state, digit)))
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
        let Some(wanted) = self.wanted.get(line).filter(|wanted| wanted.comes_from(header.program)) else {
            return false;
        };
        let starts = header.starts.iter().rev().copied().filter(|&start| wanted.begins_at(text, start));
        wanted.contains.iter().all(|texts| texts.stand_in(text)) && wanted.place(text, starts, tried)
    }

    /// As `place`, where it is known that the program may be, and that the line may only begin at `starts`, the last place first. Whether
    /// the texts stand in it that must is left to be asked.
    pub fn place_at(&self, line: usize, text: &[u8], starts: &[usize], tried: &mut dyn FnMut(Place) -> bool) -> bool {
        self.wanted.get(line).is_some_and(|wanted| wanted.place(text, starts.iter().copied(), tried))
    }

    /// Whether the texts stand in it that must, but for those of the groups that are proved, a bit each.
    pub fn contained(&self, line: usize, text: &[u8], proved: u32) -> bool {
        let mut rest = proved;
        self.wanted.get(line).is_some_and(|wanted| {
            wanted.contains.iter().all(|texts| {
                let known = rest & 1 == 1;
                rest >>= 1;
                known || texts.stand_in(text)
            })
        })
    }

    /// The groups of texts of which one each must stand in a line, as `contained` counts them.
    pub fn texts_of(&self, line: usize) -> Vec<Vec<Box<[u8]>>> {
        let wanted = self.wanted.get(line);
        wanted.into_iter().flat_map(|wanted| &wanted.contains).map(|texts| texts.texts().to_vec()).collect()
    }
}

impl Demands {
    fn comes_from(&self, program: &[u8]) -> bool {
        let named = self.programs.iter().any(|name| name.eq_ignore_ascii_case(program));
        named || self.programs.is_empty() || (program.is_empty() && !self.programs_only)
    }

    fn begins_at(&self, text: &[u8], start: usize) -> bool {
        let begins = |rest: &[u8]| self.begins.is_empty() || self.begins.iter().any(|literal| rest.starts_with(literal));
        text.get(start..).is_some_and(begins)
    }

    /// Try each place where a body may begin; `starts` has the last one first: a message begins behind its header.
    fn place(&self, text: &[u8], starts: impl Iterator<Item = usize>, tried: &mut dyn FnMut(Place) -> bool) -> bool {
        for start in starts {
            let Some(rest) = text.get(start..) else { continue };
            let skipped = match &self.locate {
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
