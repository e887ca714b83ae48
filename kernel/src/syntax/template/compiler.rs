//! From a template's text to the steps that match it.

use super::{Kind, Sought, Step};

/// A template as it is written.
enum Part {
    Literal(Box<[u8]>),
    Capture { slot: Option<usize>, kind: Kind },
    Optional(Vec<Part>),
    End,
}

/// The steps of a template; `slot` gives the number for a name. Errors say what is wrong and where.
pub fn steps(text: &str, slot: &mut dyn FnMut(&str) -> usize) -> Result<Vec<Step>, String> {
    let mut parser = Compiler { rest: text.as_bytes(), length: text.len(), slot };
    let parts = parser.parts(0)?;
    if parts.is_empty() {
        return Err("a template is empty".to_owned());
    }
    let mut steps = Vec::new();
    flatten(&parts, &mut Vec::new(), &mut steps);
    Ok(steps)
}

/// `behind` is what follows `parts`, the nearest last.
fn flatten<'p>(parts: &'p [Part], behind: &mut Vec<&'p [Part]>, steps: &mut Vec<Step>) {
    for (at, part) in parts.iter().enumerate() {
        behind.push(parts.get(at + 1..).unwrap_or_default());
        match part {
            Part::Literal(literal) => steps.push(Step::Literal(literal.clone())),
            Part::End => steps.push(Step::End),
            Part::Capture { slot, kind } => {
                let blank = |literal: &&[u8]| literal.first().is_some_and(u8::is_ascii_whitespace);
                // No word goes on behind a blank.
                let next = next_literal(behind).filter(|literal| *kind != Kind::Word || !blank(literal));
                steps.push(Step::Capture { slot: *slot, kind: *kind, next: next.map(Sought::new).map(Box::new) });
            }
            Part::Optional(inner) => {
                let from = steps.len();
                let ends = matches!(inner.first(), Some(Part::End));
                steps.push(Step::End);
                flatten(inner, behind, steps);
                let behind = steps.len();
                if let Some(step) = steps.get_mut(from) {
                    *step = Step::Try { behind, ends };
                }
            }
        }
        behind.pop();
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
