//! IBM Log Event Extended Format: `LEEF:1.0|vendor|product|version|event|key=value⇥…`, and 2.0 with a delimiter of its own choice.
//!
//! Between attributes stands a tab, or in 2.0 what the header says (`^`, `x5E`, `0x5E`). Some products write blanks instead: where the
//! delimiter stands nowhere, attributes are read as in CEF. The first value for a key stands.

use super::cef::extension;
use super::{Keys, Labels, Slots, Split};
use memchr::memchr;

pub const HEADER_FIELDS: [&str; 4] = ["leef.vendor", "leef.product", "leef.version", "leef.event"];
/// A delimiter's text is one character or its hexadecimal number.
const LONGEST_DELIMITER: usize = 6;

pub struct Leef {
    pub header: [Option<usize>; 4],
    pub keys: Keys,
    pub labels: Labels,
}

impl Leef {
    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        let Some(after) = body.strip_prefix(b"LEEF:") else {
            return Split::No;
        };
        let Some(bar) = after.iter().take(4).position(|&byte| byte == b'|') else {
            return Split::No;
        };
        let second = after.starts_with(b"2");
        let mut rest = after.get(bar + 1..).unwrap_or_default();
        for slot in &self.header {
            let Some(end) = memchr(b'|', rest) else {
                return Split::Broken;
            };
            if let Some(slot) = slot {
                slots.set(*slot, &rest[..end]);
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let mut delimiter = b'\t';
        if second && let Some((found, after)) = chosen(rest) {
            delimiter = found;
            rest = after;
        }
        if memchr(delimiter, rest).is_none() {
            extension(&self.keys, &self.labels, rest, slots);
            return Split::Whole;
        }
        let mut gathered = self.labels.gather();
        for pair in rest.split(|&byte| byte == delimiter) {
            let Some(equals) = memchr(b'=', pair) else { continue };
            let (key, value) = (crate::value::trim(&pair[..equals]), crate::value::trim(&pair[equals + 1..]));
            if let Some(slot) = self.keys.get(key) {
                slots.set(slot, value);
            }
            gathered.pair(key, value);
        }
        for (slot, value) in gathered.found() {
            slots.set(slot, value);
        }
        Split::Whole
    }
}

/// The delimiter that a 2.0 header names, and what follows it. None where the header leaves it out, as some products do.
fn chosen(rest: &[u8]) -> Option<(u8, &[u8])> {
    let end = rest.iter().take(LONGEST_DELIMITER).position(|&byte| byte == b'|')?;
    let (text, after) = (rest.get(..end)?, rest.get(end + 1..)?);
    match text {
        [] => Some((b'\t', after)),
        [one] => Some((*one, after)),
        _ => {
            let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"x")).or_else(|| text.strip_prefix(b"\\x"))?;
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        }
    }
}
