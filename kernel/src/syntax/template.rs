//! Literal templates: `Deny {protocol:word} src {zone}:{src:ip}[/{sport:int}] by …`.
//!
//! Literal text must stand as written. `{name}` takes everything up to the next literal; `{name:ip}`, `{name:int}` and
//! `{name:word}` take only such characters; `{name:last}` takes everything up to the last place of the next literal, `{name:quoted}`
//! up to the next quotation mark without a backslash, `{name:rest}` the rest of the line; `{*}` takes and forgets. `{$}` is the
//! line's end. `[…]` may be absent.
//! `\` makes the next character literal. Matching begins at the body's first byte; the number of steps is bounded.
//!
//! Where `{$}` fits, the line was not cut.

use super::Slots;
use super::scan::{self, Repeated};
use memchr::memchr2;
use memchr::memmem::{self, Finder};
use smallvec::SmallVec;

mod compiler;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    UpTo,
    Ip,
    Int,
    Word,
    Last,
    Quoted,
    Rest,
}

/// What is done in turn to match a template.
enum Step {
    Literal(Box<[u8]>),
    Capture {
        slot: Option<usize>,
        kind: Kind,
        next: Option<Box<Sought>>,
    },
    /// An optional part's steps follow; where it is left out, matching goes on at `behind`.
    Try {
        behind: usize,
        ends: bool,
    },
    End,
}

pub struct Template {
    steps: Vec<Step>,
}

/// More than any template of ours needs; a line cannot make matching longer than this.
const MOST_STEPS: u32 = 4_096;

impl Template {
    /// Compile a template; `slot` gives the number for a name. Errors say what is wrong and where.
    pub fn compile(text: &str, slot: &mut dyn FnMut(&str) -> usize) -> Result<Self, String> {
        Ok(Self { steps: compiler::steps(text, slot)? })
    }

    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> bool {
        let mut steps = MOST_STEPS;
        let mut found = Found::new();
        let Some(end) = run(body, &self.steps, &mut found, &mut steps) else {
            return false;
        };
        if end == End::Said {
            slots.set_whole();
        }
        for (slot, value) in found {
            slots.set(slot, value);
        }
        true
    }
}

/// A text that ends a value. It mostly stands near.
struct Sought {
    first: Repeated,
    finder: Finder<'static>,
}

/// What is near.
const NEAR: usize = 64;

impl Sought {
    fn new(text: &[u8]) -> Self {
        Self { first: Repeated::new(text.first().copied().unwrap_or_default()), finder: Finder::new(text).into_owned() }
    }

    fn find(&self, body: &[u8]) -> Option<usize> {
        let near = body.get(..NEAR).unwrap_or(body);
        let mut from = 0;
        while let Some(rest) = near.get(from..).filter(|rest| !rest.is_empty()) {
            from += scan::find([self.first], rest);
            if from < near.len() && body.get(from..).is_some_and(|here| here.starts_with(self.finder.needle())) {
                return Some(from);
            }
            from += 1;
        }
        self.finder.find(body.get(near.len()..)?).map(|found| near.len() + found)
    }
}

/// Values for slots, as they are found.
type Found<'a> = SmallVec<[(usize, &'a [u8]); 16]>;

/// How a template ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// As it says, or before the line did.
    Whole,
    /// The line had ended when a part that may be absent could have followed.
    Open,
    /// `{$}` allows it.
    Said,
}

/// An optional part that was taken, and what to go back to if that was wrong.
struct Taken<'a> {
    behind: usize,
    body: &'a [u8],
    found: usize,
    end: End,
}

/// Match the steps against the start of `body`.
fn run<'a>(mut body: &'a [u8], template: &[Step], found: &mut Found<'a>, steps: &mut u32) -> Option<End> {
    let mut end = End::Whole;
    let mut at = 0;
    let mut taken: SmallVec<[Taken<'a>; 8]> = SmallVec::new();
    loop {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return None;
        }
        let Some(step) = template.get(at) else {
            return Some(end);
        };
        at += 1;
        let fits = match step {
            // Most that do not fit differ at once.
            Step::Literal(literal) if body.first() != literal.first() => false,
            Step::Literal(literal) => match body.strip_prefix(&**literal) {
                Some(after) => {
                    body = after;
                    true
                }
                None => false,
            },
            Step::End if body.is_empty() => {
                end = End::Said;
                true
            }
            Step::End => false,
            // `[ a][{$}][ b]` says that a line may end behind ` a`, not that it may where neither is there.
            Step::Try { behind, ends: true } if end == End::Open => {
                at = *behind;
                true
            }
            Step::Try { behind, .. } => {
                taken.push(Taken { behind: *behind, body, found: found.len(), end });
                end = End::Whole;
                true
            }
            Step::Capture { slot, kind, next } => match capture(body, *kind, next.as_deref()) {
                Some(length) => {
                    let (value, after) = body.split_at(length);
                    if let Some(slot) = slot {
                        found.push((*slot, value));
                    }
                    body = after;
                    true
                }
                None => false,
            },
        };
        if !fits {
            // The last optional part that was taken is left out.
            let left = taken.pop()?;
            found.truncate(left.found);
            (at, body, end) = (left.behind, left.body, left.end);
            if body.is_empty() && end != End::Said {
                end = End::Open;
            }
        }
    }
}

fn capture(body: &[u8], kind: Kind, next: Option<&Sought>) -> Option<usize> {
    match kind {
        Kind::Rest => Some(body.len()),
        Kind::Int => Some(body.iter().take_while(|byte| byte.is_ascii_digit()).count()).filter(|&digits| digits > 0),
        Kind::Word => Some(word(body)).filter(|&length| length > 0).map(|word| word_before_literal(body, word, next)),
        Kind::Ip => Some(address(body)).filter(|&length| length > 0),
        Kind::Quoted => Some(up_to_quote(body)),
        Kind::Last => next.and_then(|literal| memmem::rfind(body, literal.finder.needle())),
        Kind::UpTo => match next {
            Some(literal) => literal.find(body),
            None => Some(body.len()),
        },
    }
}

/// How much of `body` stands before a blank.
fn word(body: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += scan::find_control(rest);
        if body.get(at).is_none_or(u8::is_ascii_whitespace) {
            break;
        }
        at += 1;
    }
    at
}

/// How much of `body` an address may be. Behind IPv4's full stops a colon begins a port.
fn address(body: &[u8]) -> usize {
    let mut stops = false;
    let made_of = |byte: &&u8| {
        stops |= **byte == b'.';
        byte.is_ascii_hexdigit() || **byte == b'.' || (**byte == b':' && !stops)
    };
    let length = body.iter().take_while(made_of).count();
    // A colon or full stop after an address belongs to the sentence, not to it.
    let trailing = body.iter().take(length).rev().take_while(|&&byte| matches!(byte, b'.' | b':')).count();
    if trailing == 1 { length - 1 } else { length }
}

/// How much of `body` stands before a quotation mark that no backslash escapes.
fn up_to_quote(body: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\\', body.get(at..).unwrap_or_default()) {
        if body.get(at + found) == Some(&b'"') {
            return at + found;
        }
        at += found + 2;
    }
    body.len()
}

/// A word ends where the literal after it begins, when that stands inside the word: `{name:word},` before a comma.
fn word_before_literal(body: &[u8], word: usize, next: Option<&Sought>) -> usize {
    let within = |next: &Sought| next.find(body.get(..word + next.finder.needle().len()).unwrap_or(body));
    next.and_then(within).map_or(word, |at| at.min(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each optional part doubles the ways to try; the bound on steps, not the line, says when to stop.
    #[test]
    fn a_line_that_nearly_matches_costs_no_more_than_the_bound() -> Result<(), String> {
        let text = format!("{}end", "[a][b {*:word} ]".repeat(24));
        let template = Template::compile(&text, &mut |_| 0)?;
        let body = format!("{}{}", "ab x ".repeat(24), "z".repeat(60_000));
        let mut steps = MOST_STEPS;
        assert_eq!(run(body.as_bytes(), &template.steps, &mut Found::new(), &mut steps), None);
        assert_eq!(steps, 0, "this line is meant to use up all steps");
        let mut slots = Slots::new();
        slots.reset(1);
        assert!(!template.split(body.as_bytes(), &mut slots));
        assert_eq!(slots.get(0), None);
        Ok(())
    }

    #[test]
    fn a_template_says_where_a_line_may_end() -> Result<(), String> {
        let template = Template::compile("from {x:ip}[ port {y:int}][{$}][ proto {z:word}]", &mut |_| 0)?;
        let end = |body: &str| run(body.as_bytes(), &template.steps, &mut Found::new(), &mut { MOST_STEPS });
        assert_eq!(end("from 192.0.2.1"), Some(End::Open));
        assert_eq!(end("from 192.0.2.1 port 2"), Some(End::Said));
        assert_eq!(end("from 192.0.2.1 port 2 proto x"), Some(End::Whole));
        assert_eq!(end("from 192.0.2.1 then"), Some(End::Whole));
        let strict = Template::compile("from {x:ip}[ port {y:int}]{$}", &mut |_| 0)?;
        let end = |body: &str| run(body.as_bytes(), &strict.steps, &mut Found::new(), &mut { MOST_STEPS });
        assert_eq!(end("from 192.0.2.1"), Some(End::Said));
        assert_eq!(end("from 192.0.2.1 then"), None);
        Ok(())
    }

    #[test]
    fn a_long_line_that_matches_takes_few_steps() -> Result<(), String> {
        let template = Template::compile("a {x} b {y:int}[ c {z:word}] d", &mut |_| 0)?;
        let body = format!("a {} b 12 c w d", "x".repeat(60_000));
        let mut steps = MOST_STEPS;
        assert_eq!(run(body.as_bytes(), &template.steps, &mut Found::new(), &mut steps), Some(End::Whole));
        assert!(MOST_STEPS - steps < 32);
        Ok(())
    }
}
