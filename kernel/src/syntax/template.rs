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
use memchr::{memchr2, memmem};
use smallvec::SmallVec;

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

enum Part {
    Literal(Box<[u8]>),
    Capture { slot: Option<usize>, kind: Kind },
    Optional(Vec<Part>),
    End,
}

pub struct Template {
    parts: Vec<Part>,
}

/// More than any template of ours needs; a line cannot make matching longer than this.
const MOST_STEPS: u32 = 4_096;

impl Template {
    /// Compile a template; `slot` gives the number for a name. Errors say what is wrong and where.
    pub fn compile(text: &str, slot: &mut dyn FnMut(&str) -> usize) -> Result<Self, String> {
        let mut parser = Compiler { rest: text.as_bytes(), length: text.len(), slot };
        let parts = parser.parts(0)?;
        if parts.is_empty() {
            return Err("a template is empty".to_owned());
        }
        Ok(Self { parts })
    }

    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> bool {
        let mut steps = MOST_STEPS;
        let mut found = Found::new();
        let Some(end) = run(body, Stack::from_slice(&[&self.parts]), &mut found, &mut steps) else {
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

/// Values for slots, as they are found.
type Found<'a> = SmallVec<[(usize, &'a [u8]); 16]>;
/// Parts to be matched, the last first.
type Stack<'t> = SmallVec<[&'t [Part]; 6]>;

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

/// Match the lists of parts in `stack` (the last one first) against the start of `body`.
fn run<'a>(mut body: &'a [u8], mut stack: Stack, found: &mut Found<'a>, steps: &mut u32) -> Option<End> {
    let mut end = End::Whole;
    loop {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return None;
        }
        let Some(parts) = stack.pop() else {
            return Some(end);
        };
        let Some((part, others)) = parts.split_first() else {
            continue;
        };
        stack.push(others);
        match part {
            Part::Literal(literal) => body = body.strip_prefix(&**literal)?,
            Part::End if body.is_empty() => end = End::Said,
            Part::End => return None,
            // `[ a][{$}][ b]` says that a line may end behind ` a`, not that it may where neither is there.
            Part::Optional(inner) if end == End::Open && matches!(inner.first(), Some(Part::End)) => {}
            Part::Optional(inner) => {
                let before = found.len();
                let mut with = stack.clone();
                with.push(inner);
                if let Some(end) = run(body, with, found, steps) {
                    return Some(end);
                }
                found.truncate(before);
                if body.is_empty() && end != End::Said {
                    end = End::Open;
                }
            }
            Part::Capture { slot, kind } => {
                let (value, after) = body.split_at(capture(body, *kind, &stack)?);
                if let Some(slot) = slot {
                    found.push((*slot, value));
                }
                body = after;
            }
        }
    }
}

fn capture(body: &[u8], kind: Kind, stack: &[&[Part]]) -> Option<usize> {
    let run_of = |wanted: fn(&u8) -> bool| Some(body.iter().take_while(|byte| wanted(byte)).count()).filter(|&n| n > 0);
    match kind {
        Kind::Rest => Some(body.len()),
        Kind::Int => run_of(u8::is_ascii_digit),
        Kind::Word => run_of(|byte| !byte.is_ascii_whitespace()).map(|word| word_before_literal(body, word, stack)),
        Kind::Ip => Some(address(body)).filter(|&length| length > 0),
        Kind::Quoted => Some(up_to_quote(body)),
        Kind::Last => next_literal(stack).and_then(|literal| memmem::rfind(body, literal)),
        Kind::UpTo => match next_literal(stack) {
            Some(literal) => memmem::find(body, literal),
            None => Some(body.len()),
        },
    }
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
fn word_before_literal(body: &[u8], word: usize, stack: &[&[Part]]) -> usize {
    match next_literal(stack).filter(|literal| !literal.first().is_some_and(u8::is_ascii_whitespace)) {
        Some(literal) => memmem::find(&body[..(word + literal.len()).min(body.len())], literal).map_or(word, |at| at.min(word)),
        None => word,
    }
}

/// The literal that comes next, or would if the optional part that comes next were there.
fn next_literal<'t>(stack: &[&'t [Part]]) -> Option<&'t [u8]> {
    let mut next = stack.iter().rev().flat_map(|parts| parts.iter());
    match next.find(|part| !matches!(part, Part::Optional(inner) if matches!(inner.first(), Some(Part::End))))? {
        Part::Literal(literal) => Some(&**literal),
        Part::Optional(inner) => next_literal(&[inner]),
        Part::Capture { .. } | Part::End => None,
    }
}

/// Takes everything up to what follows, so something must.
fn is_open(part: &Part) -> bool {
    matches!(part, Part::Capture { kind: Kind::UpTo | Kind::Last, .. })
}

struct Compiler<'t, 's> {
    rest: &'t [u8],
    length: usize,
    slot: &'s mut dyn FnMut(&str) -> usize,
}

impl Compiler<'_, '_> {
    fn error(&self, what: &str) -> String {
        format!("{what} at character {}", self.length - self.rest.len() + 1)
    }

    fn parts(&mut self, depth: usize) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut literal: Vec<u8> = Vec::new();
        while let Some((&byte, after)) = self.rest.split_first() {
            match byte {
                b'{' | b'[' => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal).into()));
                    }
                    self.rest = after;
                    parts.push(if byte == b'{' { self.capture()? } else { self.optional(depth)? });
                }
                b']' if depth > 0 => break,
                b'\\' => {
                    let (&next, after) = after.split_first().ok_or_else(|| self.error("a lone backslash"))?;
                    literal.push(next);
                    self.rest = after;
                }
                b']' | b'}' => return Err(self.error("an unmatched bracket")),
                _ => {
                    literal.push(byte);
                    self.rest = after;
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        let endless = |pair: &[Part]| is_open(&pair[0]) && !matches!(pair[1], Part::Literal(_));
        let last = |part: &Part| matches!(part, Part::Capture { kind: Kind::Last, .. });
        let unended = parts.last().is_some_and(|part| last(part) || (depth > 0 && is_open(part)));
        if unended || parts.windows(2).any(endless) {
            return Err(self.error("a capture of no type needs literal text behind it; one stands before this"));
        }
        Ok(parts)
    }

    fn optional(&mut self, depth: usize) -> Result<Part, String> {
        if depth > 3 {
            return Err(self.error("optional parts nested too deep"));
        }
        let inner = self.parts(depth + 1)?;
        match self.rest.split_first() {
            Some((b']', after)) => {
                self.rest = after;
                Ok(Part::Optional(inner))
            }
            _ => Err(self.error("an optional part is never closed")),
        }
    }

    fn capture(&mut self) -> Result<Part, String> {
        let end = self.rest.iter().position(|&byte| byte == b'}').ok_or_else(|| self.error("a capture is never closed"))?;
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        let (name, kind) = text.split_once(':').unwrap_or((&text, ""));
        let kind = match kind {
            "" => Kind::UpTo,
            "ip" => Kind::Ip,
            "int" => Kind::Int,
            "word" => Kind::Word,
            "last" => Kind::Last,
            "quoted" => Kind::Quoted,
            "rest" => Kind::Rest,
            _ => return Err(self.error(&format!("there is no capture type {kind:?}"))),
        };
        self.rest = &self.rest[end + 1..];
        if text == "$" {
            return Ok(Part::End);
        }
        let slot = if name == "*" { None } else { Some((self.slot)(name)) };
        Ok(Part::Capture { slot, kind })
    }
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
        assert_eq!(run(body.as_bytes(), Stack::from_slice(&[&template.parts]), &mut Found::new(), &mut steps), None);
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
        let end =
            |body: &str| run(body.as_bytes(), Stack::from_slice(&[&template.parts]), &mut Found::new(), &mut { MOST_STEPS });
        assert_eq!(end("from 192.0.2.1"), Some(End::Open));
        assert_eq!(end("from 192.0.2.1 port 2"), Some(End::Said));
        assert_eq!(end("from 192.0.2.1 port 2 proto x"), Some(End::Whole));
        assert_eq!(end("from 192.0.2.1 then"), Some(End::Whole));
        let strict = Template::compile("from {x:ip}[ port {y:int}]{$}", &mut |_| 0)?;
        let end = |body: &str| run(body.as_bytes(), Stack::from_slice(&[&strict.parts]), &mut Found::new(), &mut { MOST_STEPS });
        assert_eq!(end("from 192.0.2.1"), Some(End::Said));
        assert_eq!(end("from 192.0.2.1 then"), None);
        Ok(())
    }

    #[test]
    fn a_long_line_that_matches_takes_few_steps() -> Result<(), String> {
        let template = Template::compile("a {x} b {y:int}[ c {z:word}] d", &mut |_| 0)?;
        let body = format!("a {} b 12 c w d", "x".repeat(60_000));
        let mut steps = MOST_STEPS;
        assert_eq!(run(body.as_bytes(), Stack::from_slice(&[&template.parts]), &mut Found::new(), &mut steps), Some(End::Whole));
        assert!(MOST_STEPS - steps < 32);
        Ok(())
    }
}
