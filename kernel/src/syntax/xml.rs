//! XML elements by their paths: Windows' events, and McAfee's.
//!
//! A path is element names joined by dots, from the root; `@name` behind it is an attribute, `[word]` says what the attribute
//! `Name` (or `name`) of the element is, and a number which one it is of those of its path that have no such attribute. Prefixes of names are dropped. Depth and the number of elements are bounded; no entity but
//! XML's own five is known, so nothing expands. The first text for a path stands.

use super::{Slots, Split};
use hashbrown::HashMap;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

const DEEPEST: usize = 32;
const MOST_EVENTS: usize = 4_096;

#[derive(Default)]
pub struct Elements {
    paths: HashMap<Box<[u8]>, usize>,
    /// Some path asks for attributes; else they need not be read.
    attributes: bool,
    /// Paths of elements that are asked for by number.
    numbered: HashMap<Box<[u8]>, usize>,
}

impl Elements {
    pub fn add(&mut self, path: &str, slot: usize) {
        self.attributes |= path.contains(['@', '[']);
        if let Some((of, number)) = path.rsplit_once('.')
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            self.attributes = true;
            let counter = self.numbered.len();
            self.numbered.entry(of.as_bytes().into()).or_insert(counter);
        }
        self.paths.insert(path.as_bytes().into(), slot);
    }

    pub fn split(&self, body: &[u8], slots: &mut Slots) -> Split {
        if body.first() != Some(&b'<') {
            return Split::No;
        }
        let mut reader = Reader::from_reader(body);
        let mut walk = Walk { elements: self, path: Vec::new(), lengths: Vec::new(), counts: vec![0; self.numbered.len()] };
        for _ in 0..MOST_EVENTS {
            match reader.read_event() {
                Ok(Event::Start(start)) if walk.lengths.len() < DEEPEST => walk.enter(&start, slots),
                Ok(Event::Empty(start)) => {
                    walk.enter(&start, slots);
                    walk.leave();
                }
                Ok(Event::End(_)) => {
                    walk.leave();
                    if walk.lengths.is_empty() {
                        return Split::Whole;
                    }
                }
                // A text at the very end is one that was cut.
                Ok(Event::Text(_)) if reader.buffer_position() == body.len() as u64 => return Split::Broken,
                Ok(Event::Text(text)) => walk.text(&text, slots),
                Ok(Event::CData(text)) => walk.keep(text.to_vec(), slots),
                Ok(Event::GeneralRef(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
                _ => return Split::Broken,
            }
        }
        Split::Broken
    }
}

struct Walk<'e> {
    elements: &'e Elements,
    path: Vec<u8>,
    /// The path's length before each open element.
    lengths: Vec<usize>,
    /// How many elements of each numbered path there were.
    counts: Vec<usize>,
}

impl Walk<'_> {
    fn enter(&mut self, start: &BytesStart, slots: &mut Slots) {
        self.lengths.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(start.local_name().as_ref());
        if !self.elements.attributes {
            return;
        }
        let length = self.path.len();
        let mut named = None;
        for attribute in start.attributes().with_checks(false).flatten() {
            let key = attribute.key.local_name();
            if matches!(key.as_ref(), b"Name" | b"name") {
                named = Some(attribute.value.to_vec());
            }
            self.path.push(b'@');
            self.path.extend_from_slice(key.as_ref());
            self.keep(plain(&attribute.value), slots);
            self.path.truncate(length);
        }
        if let Some(name) = named {
            self.path.push(b'[');
            self.path.extend_from_slice(&name);
            self.path.push(b']');
        } else if let Some(count) = self.elements.numbered.get(self.path.as_slice()).and_then(|at| self.counts.get_mut(*at)) {
            self.path.extend_from_slice(format!(".{count}").as_bytes());
            *count += 1;
        }
        if self.path.len() > length && !self.elements.paths.contains_key(self.path.as_slice()) {
            self.path.truncate(length);
        }
    }

    fn leave(&mut self) {
        self.path.truncate(self.lengths.pop().unwrap_or_default());
    }

    fn text(&self, text: &[u8], slots: &mut Slots) {
        if !crate::value::trim(text).is_empty() {
            self.keep(plain(text), slots);
        }
    }

    fn keep(&self, value: Vec<u8>, slots: &mut Slots) {
        if let Some(&slot) = self.elements.paths.get(self.path.as_slice()) {
            slots.set(slot, &value);
        }
    }
}

/// Text with XML's own entities resolved; with any other, or broken UTF-8, as it stands.
fn plain(text: &[u8]) -> Vec<u8> {
    let resolved = std::str::from_utf8(text).ok().and_then(|text| unescape(text).ok());
    resolved.map_or_else(|| text.to_vec(), |text| text.into_owned().into_bytes())
}
