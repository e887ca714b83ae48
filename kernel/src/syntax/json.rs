//! JSON objects: only the paths that a pack asks for are kept, everything else is skipped while it is checked.
//!
//! A path is keys joined by dots; a number stands for a place in a list, `*` for any. A list of plain values is one text, joined by
//! spaces. A key with dots of its own is found by the same path. The step `{}` reads a text as an object or a list: what stands in it has
//! slots of its own, so that it never takes the place of the line's own values. Such a text inside such a text is only a text.
//! Depth is bounded by `serde_json` (128 levels, and as many in a text).

use super::{Slots, Split};
use hashbrown::HashMap;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

#[derive(Default)]
pub struct Paths {
    slot: Option<usize>,
    children: HashMap<Box<str>, Paths>,
    /// What is asked of a text that is an object or a list.
    inside: Option<Box<Paths>>,
}

/// The step of a path from a text to the object or list that is written in it.
const INSIDE: &str = "{}";

impl Paths {
    /// Ask for a path. Errors say what no path may be.
    pub fn add(&mut self, path: &str, slot: usize) -> Result<(), String> {
        let insides = path.split('.').filter(|key| *key == INSIDE).count();
        if insides > 1 || path.starts_with(INSIDE) || path.ends_with(INSIDE) {
            return Err(format!("{path:?}: `{INSIDE}` stands once, between two keys"));
        }
        let mut node = self;
        for key in path.split('.') {
            node = match key {
                INSIDE => node.inside.get_or_insert_default(),
                _ => node.children.entry(key.into()).or_default(),
            };
        }
        node.slot = Some(slot);
        Ok(())
    }

    fn child(&self, key: &str) -> Option<&Self> {
        match self.children.get(key) {
            None if key.contains('.') => {
                let mut node = self;
                for part in key.split('.') {
                    node = node.children.get(part)?;
                }
                Some(node)
            }
            found => found,
        }
    }

    /// What is asked of a list's element.
    fn element(&self, place: usize) -> Option<&Self> {
        if self.children.is_empty() {
            return None;
        }
        self.children.get(place.to_string().as_str()).or_else(|| self.children.get("*"))
    }

    pub fn split<'a>(&self, body: &'a [u8], slots: &mut Slots<'a>) -> Split {
        if body.first() != Some(&b'{') {
            return Split::No;
        }
        let mut parser = serde_json::Deserializer::from_slice(without_cut_number(body));
        match (Node { paths: self, slots }).deserialize(&mut parser) {
            Ok(()) => Split::Whole,
            Err(_) => Split::Broken,
        }
    }
}

/// An object never ends in a number: where a line does, it was cut there, and the number may be.
fn without_cut_number(body: &[u8]) -> &[u8] {
    let digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let whole = body.iter().rposition(|byte| !digit(byte)).map_or(0, |at| at + 1);
    body.get(..whole).unwrap_or_default()
}

struct Node<'p, 's, 'a> {
    paths: &'p Paths,
    slots: &'s mut Slots<'a>,
}

impl Node<'_, '_, '_> {
    fn keep(self, value: &[u8]) {
        if let Some(slot) = self.paths.slot {
            self.slots.set(slot, value);
        }
    }

    /// A text, and what is asked of the object or list in it; of a broken one what stands before the break.
    fn text(self, text: &str) {
        if let Some(paths) = &self.paths.inside {
            let text = text.trim_ascii();
            if text.starts_with(['{', '[']) {
                let mut parser = serde_json::Deserializer::from_slice(without_cut_number(text.as_bytes()));
                let _ = Node { paths, slots: self.slots }.deserialize(&mut parser);
            }
        }
        self.keep(text.as_bytes());
    }
}

impl<'t> DeserializeSeed<'t> for Node<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Node<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.text(value);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key<'t>>()? {
            match self.paths.child(key.0.as_ref()) {
                Some(paths) => map.next_value_seed(Node { paths, slots: self.slots })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        let mut joined: Vec<u8> = Vec::new();
        let mut place = 0_usize;
        loop {
            let more = match self.paths.element(place) {
                Some(paths) => list.next_element_seed(Node { paths, slots: self.slots })?.is_some(),
                None if self.paths.slot.is_some() => match list.next_element::<Plain<'t>>()? {
                    Some(Plain(text)) => {
                        if !joined.is_empty() && !text.is_empty() {
                            joined.push(b' ');
                        }
                        joined.extend_from_slice(text.as_bytes());
                        true
                    }
                    None => false,
                },
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
            place += 1;
        }
        if !joined.is_empty() {
            self.keep(&joined);
        }
        Ok(())
    }
}

/// A key, borrowed from the line where it holds no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'a> Deserialize<'a> for Key<'a> {
    fn deserialize<D: Deserializer<'a>>(parser: D) -> Result<Self, D::Error> {
        parser.deserialize_str(KeyVisitor).map(Key)
    }
}

struct KeyVisitor;

impl<'a> Visitor<'a> for KeyVisitor {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

/// A list's element as text; objects and lists inside a list are nothing.
struct Plain<'a>(Cow<'a, str>);

impl<'a> Deserialize<'a> for Plain<'a> {
    fn deserialize<D: Deserializer<'a>>(parser: D) -> Result<Self, D::Error> {
        parser.deserialize_any(PlainVisitor).map(Plain)
    }
}

struct PlainVisitor;

impl<'a> Visitor<'a> for PlainVisitor {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
}
