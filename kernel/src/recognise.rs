//! Which pack's line a text is.
//!
//! Packs all of whose lines begin with a text of their own, or come from programs of their own, are tried first: their lines are
//! found by the bytes at which a message may begin, or by the program's name. For all others, and where that leaves many, all literals
//! are searched for in one pass. The few candidates are checked.

use crate::header::Header;
use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, StartKind};
use hashbrown::HashMap;
use memchr::memmem::Finder;

/// How far into a line the distinguishing literals are looked for.
const SEEN: usize = 2_048;
const LONGEST_PROGRAM: usize = 64;
/// More lines than this are sooner found by searching.
const MOST_DIRECT: usize = 6;
/// How far behind the message's beginning a `locate` text may stand.
const LOCATED: usize = 160;

pub struct Wanted {
    /// All lines of the pack have `begins` or `programs`.
    pub direct: bool,
    /// Comes after all others.
    pub fallback: bool,
    pub begins: Vec<Box<[u8]>>,
    pub contains: Vec<Vec<Box<[u8]>>>,
    pub programs: Vec<Box<[u8]>>,
    pub locate: Option<Box<[u8]>>,
}

/// A line's demands with their searches prepared.
struct Demands {
    begins: Vec<Box<[u8]>>,
    contains: Vec<Vec<Finder<'static>>>,
    programs: Vec<Box<[u8]>>,
    locate: Option<Finder<'static>>,
}

impl Demands {
    fn of(wanted: Wanted) -> Self {
        let finder = |literal: &[u8]| Finder::new(literal).into_owned();
        Self {
            contains: wanted.contains.iter().map(|group| group.iter().map(|literal| finder(literal)).collect()).collect(),
            locate: wanted.locate.as_deref().map(finder),
            begins: wanted.begins,
            programs: wanted.programs,
        }
    }
}

/// Where a recognised line's body stands; `prefix` is what `locate` skipped.
pub struct Place {
    pub prefix: (usize, usize),
    pub body: usize,
}

pub struct Recogniser {
    search: DFA,
    /// For each literal, the lines (in order) that may be meant when it is seen.
    keyed: Vec<Vec<usize>>,
    wanted: Vec<Demands>,
    /// The lines of direct packs by the first bytes of what they begin with.
    beginning: Beginnings,
    /// The lines of direct packs that have no `begins`, by their programs' names in small letters.
    programs: HashMap<Box<[u8]>, Vec<usize>>,
    /// For each line, its place in the order of preference.
    order: Vec<usize>,
}

/// The literals of which one must be seen: the group whose shortest member is longest, so that chance hits are few.
fn key_literals(wanted: &Wanted) -> &[Box<[u8]>] {
    let begins = std::iter::once(&wanted.begins);
    let groups = wanted.contains.iter().chain(begins).filter(|group| !group.is_empty());
    groups.max_by_key(|group| group.iter().map(|literal| literal.len()).min()).map_or(&[], Vec::as_slice)
}

/// Bytes of a beginning by which it is looked up; shorter ones are looked up by what they have.
const LOOKED_UP: usize = 4;

/// Lines by the first bytes of the texts with which they begin.
struct Beginnings {
    /// One table for each length of key, from 1 to `LOOKED_UP`.
    tables: [HashMap<[u8; LOOKED_UP], Vec<usize>>; LOOKED_UP],
    /// For each first byte, a bit for each table that knows it: most places of most lines need no more.
    first: [u8; 256],
}

impl Beginnings {
    fn new(wanted: &[Wanted]) -> Self {
        let mut tables = Self { tables: Default::default(), first: [0; 256] };
        for (line, wanted) in wanted.iter().enumerate().filter(|(_, wanted)| wanted.direct) {
            for literal in wanted.begins.iter().filter(|literal| !literal.is_empty()) {
                let length = literal.len().min(LOOKED_UP);
                if let (Some(key), Some(table)) = (key(literal, length), tables.tables.get_mut(length - 1)) {
                    let lines = table.entry(key).or_default();
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
                if let Some(bits) = literal.first().and_then(|&byte| tables.first.get_mut(usize::from(byte))) {
                    *bits |= 1 << (length - 1);
                }
            }
        }
        tables
    }

    /// The lines that may begin as `text` does.
    fn of<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = usize> + 't {
        let bits = text.first().and_then(|&byte| self.first.get(usize::from(byte))).copied().unwrap_or_default();
        let tables = self.tables.iter().enumerate().filter(move |(shorter, _)| bits & (1 << shorter) != 0);
        tables.filter_map(|(shorter, table)| table.get(&key(text, shorter + 1)?)).flatten().copied()
    }
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

fn key(text: &[u8], length: usize) -> Option<[u8; LOOKED_UP]> {
    let mut key = [0; LOOKED_UP];
    key.get_mut(..length)?.copy_from_slice(text.get(..length)?);
    Some(key)
}

impl Recogniser {
    /// `wanted` in order of preference. Errors name the first line that nothing distinguishes.
    pub fn new(wanted: Vec<Wanted>) -> Result<Self, String> {
        let mut literals: Vec<Box<[u8]>> = Vec::new();
        let mut numbers: HashMap<Box<[u8]>, usize> = HashMap::new();
        let mut keyed: Vec<Vec<usize>> = Vec::new();
        for (line, wanted) in wanted.iter().enumerate() {
            let keys = key_literals(wanted);
            if keys.is_empty() || keys.iter().any(|literal| literal.is_empty()) {
                return Err(format!("line {line} has no literal to recognise it by"));
            }
            for literal in keys {
                let number = *numbers.entry(literal.clone()).or_insert_with(|| {
                    literals.push(literal.clone());
                    keyed.push(Vec::new());
                    literals.len() - 1
                });
                if let Some(lines) = keyed.get_mut(number) {
                    lines.push(line);
                }
            }
        }
        let search = DFA::builder()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::Standard)
            .build(&literals)
            .map_err(|error| error.to_string())?;
        let beginning = Beginnings::new(&wanted);
        let programs = by_program(&wanted);
        let rank = |line: &usize| {
            let wanted = wanted.get(*line);
            (wanted.is_some_and(|wanted| wanted.fallback), wanted.is_some_and(|wanted| !wanted.direct), *line)
        };
        let mut ranked: Vec<usize> = (0..wanted.len()).collect();
        ranked.sort_by_key(rank);
        let mut order = vec![0; wanted.len()];
        for (place, line) in ranked.into_iter().enumerate() {
            if let Some(slot) = order.get_mut(line) {
                *slot = place;
            }
        }
        Ok(Self { search, keyed, wanted: wanted.into_iter().map(Demands::of).collect(), beginning, programs, order })
    }

    /// The few lines of direct packs that may begin here, in order of preference; none when they are not few.
    pub fn direct(&self, text: &[u8], header: &Header, found: &mut Vec<usize>) {
        found.clear();
        for &start in &header.starts {
            for line in self.beginning.of(text.get(start..).unwrap_or_default()) {
                if !found.contains(&line) {
                    found.push(line);
                }
            }
        }
        if !header.program.is_empty() && header.program.len() <= LONGEST_PROGRAM {
            let mut name = [0; LONGEST_PROGRAM];
            if let Some(name) = name.get_mut(..header.program.len()) {
                name.copy_from_slice(header.program);
                name.make_ascii_lowercase();
                found.extend(self.programs.get(&*name).into_iter().flatten());
            }
        }
        if found.len() > MOST_DIRECT {
            found.clear();
        }
        found.sort_unstable();
    }

    /// All candidate lines in order of preference.
    pub fn candidates(&self, text: &[u8], found: &mut Vec<usize>) {
        found.clear();
        let Ok(mut state) = self.search.start_state(Anchored::No) else { return };
        for &byte in text.get(..SEEN).unwrap_or(text) {
            state = self.search.next_state(Anchored::No, state, byte);
            if self.search.is_special(state) && self.search.is_match(state) {
                for hit in 0..self.search.match_len(state) {
                    let pattern = self.search.match_pattern(state, hit).as_usize();
                    for line in self.keyed.get(pattern).into_iter().flatten() {
                        if !found.contains(line) {
                            found.push(*line);
                        }
                    }
                }
            }
        }
        found.sort_unstable_by_key(|&line| self.order.get(line));
    }

    /// Where the body of line kind `line` begins in `text`, if `text` is one.
    pub fn place(&self, line: usize, text: &[u8], header: &Header, tried: &mut dyn FnMut(Place) -> bool) -> bool {
        let Some(wanted) = self.wanted.get(line) else {
            return false;
        };
        let named = wanted.programs.iter().any(|name| name.eq_ignore_ascii_case(header.program));
        if !(named || wanted.programs.is_empty() || header.program.is_empty()) {
            return false;
        }
        let all = wanted.contains.iter().all(|group| group.iter().any(|literal| literal.find(text).is_some()));
        if !all {
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
