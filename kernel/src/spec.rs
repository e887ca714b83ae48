//! What the Python loader hands over: packs, already checked and normalised, as JSON; and the same packed, which loads in a moment.

use crate::event::{Schema, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize, Serialize)]
pub struct Library {
    pub schema: Schema,
    pub packs: Vec<Pack>,
}

impl Library {
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// From `pack`'s bytes, of this very version of the kernel.
    pub fn unpack(bytes: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(bytes).map_err(|error| error.to_string())
    }

    pub fn pack(&self) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(self).map_err(|error| error.to_string())
    }
}

#[derive(Deserialize, Serialize)]
pub struct Pack {
    pub name: String,
    pub sensor: String,
    /// Tried when no other pack knows the line.
    #[serde(default)]
    pub fallback: bool,
    pub lines: Vec<Line>,
}

#[derive(Deserialize, Serialize)]
pub struct Line {
    pub name: String,
    pub syntax: String,
    /// The message begins with one of these, at a place where a message may begin.
    #[serde(default)]
    pub begins: Vec<String>,
    /// Of each group, one must stand in the line.
    #[serde(default)]
    pub contains: Vec<Vec<String>>,
    /// The syslog program is one of these, or there is none.
    #[serde(default)]
    pub programs: Vec<String>,
    /// A line without a syslog program is none of these.
    #[serde(default)]
    pub programs_only: bool,
    /// The body starts at this text, near the message's beginning; what stands before it is the slot `@prefix`.
    #[serde(default)]
    pub locate: Option<String>,
    /// Such lines never end in an address, a port or a protocol, unless they were cut.
    #[serde(default)]
    pub last_may_be_cut: bool,
    /// Slots that say nothing where the line has two different texts for them.
    #[serde(default)]
    pub once: Vec<String>,
    #[serde(default)]
    pub kv: Option<KeyValue>,
    #[serde(default)]
    pub csv: Option<Csv>,
    #[serde(default)]
    pub columns: Vec<String>,
    #[serde(default)]
    pub templates: Vec<String>,
    pub kinds: Vec<Kind>,
}

#[derive(Deserialize, Serialize)]
pub struct KeyValue {
    pub pair: char,
    pub equals: char,
    pub quote: char,
    pub escape: Option<char>,
    #[serde(default)]
    pub spaced: bool,
}

#[derive(Deserialize, Serialize)]
pub struct Csv {
    pub separator: char,
    pub quote: char,
    #[serde(default)]
    pub escape: Option<char>,
    #[serde(default)]
    pub brackets: bool,
    #[serde(default)]
    pub collapse: bool,
}

#[derive(Deserialize, Serialize)]
pub struct Kind {
    pub name: String,
    #[serde(default)]
    pub noise: bool,
    /// Tells the end of what another line has told.
    #[serde(default)]
    pub again: bool,
    #[serde(default)]
    pub sensor: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
    #[serde(default)]
    pub columns: Vec<String>,
    #[serde(default)]
    pub require: Vec<Target>,
    #[serde(default)]
    pub fields: Vec<Field>,
}

#[derive(Deserialize, Serialize)]
pub struct Condition {
    pub slot: String,
    pub test: Test,
    #[serde(default)]
    pub values: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Equals,
    Not,
    Prefix,
    Contains,
    Lacks,
    /// A value of that kind: `address` or `number`.
    Is,
    AtLeast,
    Below,
    Present,
    Absent,
}

/// Which half of `192.0.2.1:80` is meant.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Address,
    Port,
}

#[derive(Deserialize, Serialize)]
pub struct Field {
    pub target: Target,
    /// Alternatives, first filled one wins; each is slots whose values are joined by a space.
    #[serde(default)]
    pub from: Vec<Vec<String>>,
    /// Keep only what follows, or comes before, the first or last such text.
    #[serde(default)]
    pub after: Option<String>,
    #[serde(default)]
    pub after_last: Option<String>,
    #[serde(default)]
    pub before: Option<String>,
    #[serde(default)]
    pub before_last: Option<String>,
    /// Taken away at both ends.
    #[serde(default)]
    pub strip: Option<String>,
    #[serde(default)]
    pub part: Option<Part>,
    /// How a date of three numbers is read.
    #[serde(default)]
    pub order: Option<crate::time::Order>,
    /// A time without a zone is UTC, wherever the device stands.
    #[serde(default)]
    pub utc: bool,
    /// The whole value, in lower case, is one of these.
    #[serde(default)]
    pub map: Option<BTreeMap<String, String>>,
    /// The value contains, in any case, one of these; first match wins.
    #[serde(default)]
    pub contains: Vec<(String, String)>,
    /// When nothing above gave a value.
    #[serde(default)]
    pub default: Option<String>,
}
