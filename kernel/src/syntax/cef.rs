//! ArcSight Common Event Format: `CEF:0|vendor|product|version|signature|name|severity|key=value …`.
//!
//! In an extension, a value runs to the next ` key=`; a literal `=` inside a value is written `\=` (CEF 0.1, rev. 27).

use super::{Slots, Split};
use hashbrown::HashMap;
use memchr::memchr2;
use std::borrow::Cow;

pub const HEADER_FIELDS: [&str; 6] = ["cef.vendor", "cef.product", "cef.version", "cef.signature", "cef.name", "cef.severity"];

pub struct Cef {
    pub header: [Option<usize>; 6],
    pub keys: HashMap<Box<[u8]>, usize>,
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
                slots.set(*slot, unescape(&rest[..end]));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        self.extension(rest, slots);
        Split::Whole
    }

    fn extension<'a>(&self, rest: &'a [u8], slots: &mut Slots<'a>) {
        let mut equals = unescaped(rest, b'=');
        let mut key_start = 0;
        while let Some(at) = equals {
            let key = trim_start(rest.get(key_start..at).unwrap_or_default());
            let value_start = at + 1;
            let next = unescaped(rest.get(value_start..).unwrap_or_default(), b'=').map(|found| value_start + found);
            let value_end = match next {
                // The next key is the last word before the next equals sign.
                Some(next) => {
                    rest[value_start..next].iter().rposition(|&byte| byte == b' ').map_or(next, |space| value_start + space)
                }
                None => rest.len(),
            };
            if let Some(&slot) = self.keys.get(key) {
                let value = rest.get(value_start..value_end).unwrap_or_default();
                slots.set(slot, unescape(crate::value::trim(value)));
            }
            key_start = value_end;
            equals = next;
        }
    }
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
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => plain.extend(rest.next().map(|&next| if matches!(next, b'n' | b'r') { b' ' } else { next })),
            _ => plain.push(byte),
        }
    }
    Cow::Owned(plain)
}
