//! Which pack's line a text is: all packs' literals are searched for in one pass, then the few candidates are checked.

use crate::header::Header;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use hashbrown::HashMap;
use memchr::memmem;

/// How far into a line the distinguishing literals are looked for.
const SEEN: usize = 2_048;
/// How far behind the message's beginning a `locate` text may stand.
const LOCATED: usize = 160;

pub struct Wanted {
    pub begins: Vec<Box<[u8]>>,
    pub contains: Vec<Vec<Box<[u8]>>>,
    pub programs: Vec<Box<[u8]>>,
    pub locate: Option<Box<[u8]>>,
}

/// Where a recognised line's body stands; `prefix` is what `locate` skipped.
pub struct Place {
    pub prefix: (usize, usize),
    pub body: usize,
}

pub struct Recogniser {
    search: AhoCorasick,
    /// For each literal, the lines (in order) that may be meant when it is seen.
    keyed: Vec<Vec<usize>>,
    wanted: Vec<Wanted>,
}

/// The literals of which one must be seen: the group whose shortest member is longest, so that chance hits are few.
fn key_literals(wanted: &Wanted) -> &[Box<[u8]>] {
    let begins = std::iter::once(&wanted.begins);
    let groups = wanted.contains.iter().chain(begins).filter(|group| !group.is_empty());
    groups.max_by_key(|group| group.iter().map(|literal| literal.len()).min()).map_or(&[], Vec::as_slice)
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
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .build(&literals)
            .map_err(|error| error.to_string())?;
        Ok(Self { search, keyed, wanted })
    }

    /// Candidate lines in order of preference.
    pub fn candidates(&self, text: &[u8], found: &mut Vec<usize>) {
        found.clear();
        let seen = text.get(..SEEN).unwrap_or(text);
        for hit in self.search.find_overlapping_iter(seen) {
            if let Some(lines) = self.keyed.get(hit.pattern().as_usize()) {
                for line in lines {
                    if !found.contains(line) {
                        found.push(*line);
                    }
                }
            }
        }
        found.sort_unstable();
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
        let all = wanted.contains.iter().all(|group| group.iter().any(|literal| memmem::find(text, literal).is_some()));
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
                    let near = rest.get(..LOCATED + locate.len()).unwrap_or(rest);
                    match memmem::find(near, locate) {
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
