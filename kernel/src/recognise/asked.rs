//! Whose a line may be that begins as another did: which lines' kinds are asked, and where each of them may begin.

use super::{Demands, Recogniser, Search};
use crate::header::{Header, Trace};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, Weak};

/// Shorter texts are not searched for.
const SHORTEST: usize = 3;

pub struct Asked {
    pub line: usize,
    /// Where it may begin, the last place first.
    pub starts: SmallVec<[usize; 4]>,
}

/// The lines that may begin so, in order of preference. Of those before the last one that was right, a search tells which may be meant.
pub struct Choice {
    pub asked: Vec<Asked>,
    searched: usize,
    search: OnceCell<Arc<Search>>,
}

/// Searches for the same lines are made once, however many ways to begin have those lines.
#[derive(Default)]
pub struct Shared(Mutex<HashMap<Box<[usize]>, Weak<Search>>>);

/// When so many were made, those that nobody uses any more are forgotten.
const MOST_SHARED: usize = 64;

impl Shared {
    fn get(&self, asked: &[Asked], make: impl Fn() -> Search) -> Arc<Search> {
        let Ok(mut known) = self.0.lock() else { return Arc::new(make()) };
        let lines = asked.iter().map(|asked| asked.line).collect();
        if let Some(search) = known.get(&lines).and_then(Weak::upgrade) {
            return search;
        }
        if known.len() >= MOST_SHARED {
            known.retain(|_, search| search.strong_count() > 0);
        }
        let search = Arc::new(make());
        known.insert(lines, Arc::downgrade(&search));
        search
    }
}

impl Choice {
    /// The line at this place was right.
    pub fn learn(&mut self, right: usize) {
        if right >= self.searched {
            self.searched = right + 1;
            self.search = OnceCell::new();
        }
    }
}

impl Recogniser {
    /// For all lines that begin as this one does; what that rests on is added to `trace`.
    pub fn choice(&self, text: &[u8], header: &Header, trace: &mut Trace) -> Choice {
        let mut lines = Vec::new();
        for &start in &header.starts {
            let (seen, exact) = self.begun(text, start, |alike| lines.extend(&alike.lines));
            trace.see(start + seen);
            trace.see_exactly(start, start + exact);
        }
        lines.extend(self.of_program(header.program));
        lines.sort_unstable();
        lines.dedup();
        let asked = lines.into_iter().filter_map(|line| {
            let wanted = self.wanted.get(line).filter(|wanted: &&Demands| wanted.comes_from(header.program))?;
            let starts: SmallVec<_> =
                header.starts.iter().rev().copied().filter(|&start| wanted.begins_at(text, start)).collect();
            (!starts.is_empty()).then_some(Asked { line, starts })
        });
        Choice { asked: asked.collect(), searched: 0, search: OnceCell::new() }
    }

    /// Those of `choice` that `text` may be, by their places in it.
    pub fn chosen(&self, choice: &Choice, text: &[u8], found: &mut Vec<usize>) {
        found.clear();
        match choice.searched {
            // One is sooner asked than searched for.
            0 | 1 => {}
            searched => {
                let first = choice.asked.get(..searched).unwrap_or_default();
                let keys = |(place, asked): (usize, &Asked)| {
                    let key = self.wanted.get(asked.line)?.key.as_slice();
                    // Very short texts stand in nearly every line.
                    let tells = key.iter().all(|literal| literal.len() >= SHORTEST);
                    Some((place, if tells { key } else { &[] }))
                };
                let make = || Search::new(first.iter().enumerate().filter_map(keys));
                choice.search.get_or_init(|| self.shared.get(first, make)).run(text, found);
                found.sort_unstable();
                found.dedup();
            }
        }
        found.extend(if choice.searched < 2 { 0 } else { choice.searched }..choice.asked.len());
    }
}
