//! ArcSight Common Event Format: `CEF:0|vendor|product|version|signature|name|severity|key=value …`.
//!
//! In an extension, a value runs to the next ` key=`; a literal `=` inside a value is written `\=` (CEF 0.1, rev. 27).

use super::{Keys, Labels, Slots, Split};
use memchr::memchr2;
use std::borrow::Cow;

pub const HEADER_FIELDS: [&str; 6] = ["cef.vendor", "cef.product", "cef.version", "cef.signature", "cef.name", "cef.severity"];

pub struct Cef {
    pub header: [Option<usize>; 6],
    pub keys: Keys,
    pub labels: Labels,
}

impl Cef {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let Some(mut rest) = body.strip_prefix(b"CEF:").and_then(|after| {
            let bar = after.iter().take(4).position(|&byte| byte == b'|')?;
            after.get(bar + 1..)
        }) else {
            return Split::No;
        };
        for slot in &self.header {
            let Some(end) = unescaped(rest, b'|') else {
                return Split::Broken;
            };
            if let Some(slot) = slot {
                slots.set(*slot, &unescape(&rest[..end]));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        extension(&self.keys, &self.labels, rest, slots);
        Split::Whole
    }
}

/// `key=value key=value …`, where a value may hold blanks.
pub fn extension<'a>(keys: &Keys, labels: &Labels, rest: &'a [u8], slots: &mut Slots<'a>) {
    let mut equals = unescaped(rest, b'=');
    let mut key_start = 0;
    let mut gathered = labels.gather();
    while let Some(at) = equals {
        let key = trim_start(rest.get(key_start..at).unwrap_or_default());
        let (value, next) = value(rest, at + 1);
        key_start = at + 1 + value.len();
        let value = crate::value::trim(value);
        if let Some(slot) = keys.get(key) {
            slots.set(slot, &unescape(value));
        }
        gathered.pair(key, value);
        equals = next;
    }
    for (slot, value) in gathered.found() {
        slots.set(slot, &unescape(value));
    }
}

/// The value at `start`, and where the equals sign behind the next key stands. A key is a word of its own: an equals sign
/// inside the value's own words (`request=http://x/?a=b`) begins nothing. Each byte is looked at a bounded number of times.
fn value(rest: &[u8], start: usize) -> (&[u8], Option<usize>) {
    let mut from = start;
    while let Some(next) = unescaped(rest.get(from..).unwrap_or_default(), b'=').map(|found| from + found) {
        let word = rest.get(from..next).unwrap_or_default();
        let space = word.iter().rposition(|&byte| byte == b' ');
        if let Some(space) = space.filter(|space| word.get(space + 1..).is_some_and(is_key)) {
            return (rest.get(start..from + space).unwrap_or_default(), Some(next));
        }
        from = next + 1;
    }
    (rest.get(start..).unwrap_or_default(), None)
}

pub fn is_key(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&byte| byte == b' ').count();
    &bytes[spaces..]
}

/// Where `wanted` first stands without a backslash before it.
fn unescaped(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(wanted, b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&wanted) {
            return Some(found);
        }
        at = found + 2;
    }
}

fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'\\') {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(&byte) = rest.next() {
        let escaped = rest.next_if(|&&next| byte == b'\\' && matches!(next, b'\\' | b'=' | b'|' | b'n' | b'r'));
        plain.push(match escaped {
            Some(b'n' | b'r') => b' ',
            Some(&next) => next,
            None => byte,
        });
    }
    Cow::Owned(plain)
}
