//! From slots to an event: which slot fills which field, through which table.

use crate::event::{Row, Schema, Target};
use crate::needle::{Lowered, Needle};
use crate::spec::{self, Part, Test};
use crate::syntax::Slots;
use crate::time::{Context, Order};
use crate::value;
use crate::words::Table;
use memchr::memmem;
use smallvec::SmallVec;

pub struct Condition {
    slot: usize,
    test: Test,
    values: Vec<Box<[u8]>>,
    words: Table<()>,
    needles: Vec<Needle>,
    number: f64,
}

impl Condition {
    pub fn compile(spec: &spec::Condition, slot: usize) -> Self {
        let values = spec.values.iter().map(|value| value.as_bytes().into()).collect();
        let number = spec.values.first().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        let needles = spec.values.iter().map(|value| Needle::new(value.as_bytes())).collect();
        let words = spec.values.iter().map(|value| (value, ())).collect();
        Self { slot, test: spec.test, values, words, needles, number }
    }

    pub fn holds(&self, slots: &Slots) -> bool {
        let value = slots.get(self.slot).filter(|value| !value.is_empty());
        let Some(value) = value else {
            return matches!(self.test, Test::Absent);
        };
        match self.test {
            Test::Present => true,
            Test::Absent => false,
            Test::AtLeast => value::parse_decimal(value).is_some_and(|found| found >= self.number),
            Test::Below => value::parse_decimal(value).is_some_and(|found| found < self.number),
            Test::Not => self.words.get(value).is_none(),
            Test::Equals => self.words.get(value).is_some(),
            Test::Prefix => {
                self.values.iter().any(|wanted| value.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted)))
            }
            Test::Lacks => !any_in(self.needles.iter(), value),
            Test::Is => self.values.iter().any(|kind| match &**kind {
                b"address" => value::parse_address(value::trim(value)).is_some(),
                _ => value::parse_decimal(value).is_some(),
            }),
            Test::Contains => any_in(self.needles.iter(), value),
        }
    }
}

fn any_in<'n>(mut needles: impl Iterator<Item = &'n Needle>, value: &[u8]) -> bool {
    let value = Lowered::new(value);
    needles.any(|needle| needle.stands_in(&value))
}

/// What a table gives: a code for enumerations and numbers, else text.
#[derive(Clone)]
enum Mapped {
    Code(u8),
    Text(Box<[u8]>),
}

/// Which part of a value is meant: behind the first (or last) such text, before the first (or last) such.
#[derive(Default)]
struct Cut {
    after: Option<Box<[u8]>>,
    after_last: Option<Box<[u8]>>,
    before: Option<Box<[u8]>>,
    before_last: Option<Box<[u8]>>,
    strip: Box<[u8]>,
    part: Option<Part>,
}

impl Cut {
    fn compile(spec: &spec::Field) -> Self {
        let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().into());
        Self {
            after: text(&spec.after),
            after_last: text(&spec.after_last),
            before: text(&spec.before),
            before_last: text(&spec.before_last),
            strip: spec.strip.as_deref().unwrap_or_default().as_bytes().into(),
            part: spec.part,
        }
    }

    fn is_whole(&self) -> bool {
        let uncut = self.after.is_none() && self.after_last.is_none() && self.before.is_none() && self.before_last.is_none();
        uncut && self.strip.is_empty() && self.part.is_none()
    }

    /// The part, or None when a text that it must follow is not there.
    fn apply<'v>(&self, mut value: &'v [u8]) -> Option<&'v [u8]> {
        if let Some(text) = &self.after {
            value = value.get(memmem::find(value, text)? + text.len()..)?;
        }
        if let Some(text) = &self.after_last {
            value = value.get(memmem::rfind(value, text)? + text.len()..)?;
        }
        if let Some(text) = &self.before_last {
            value = value.get(..memmem::rfind(value, text).unwrap_or(value.len()))?;
        }
        if let Some(text) = &self.before {
            value = value.get(..memmem::find(value, text).unwrap_or(value.len()))?;
        }
        while let Some((_, rest)) = value.split_first().filter(|(first, _)| self.strip.contains(first)) {
            value = rest;
        }
        while let Some((_, rest)) = value.split_last().filter(|(last, _)| self.strip.contains(last)) {
            value = rest;
        }
        match self.part {
            None => Some(value),
            Some(Part::Address) => Some(value::endpoint(value).0),
            Some(Part::Port) => value::endpoint(value).1,
        }
    }
}

/// What fills a field: a part of the line, or several joined.
pub enum Source<'s> {
    Part(&'s [u8]),
    Joined(SmallVec<[u8; 64]>),
}

impl std::ops::Deref for Source<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Part(part) => part,
            Self::Joined(text) => text,
        }
    }
}

/// The values of several slots with a blank between them; None when one of them is empty.
fn joined(several: &[usize], slots: &Slots) -> Option<SmallVec<[u8; 64]>> {
    let mut text = SmallVec::new();
    for &slot in several {
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(slots.get(slot).filter(|value| !value.is_empty())?);
    }
    Some(text)
}

pub struct Assign {
    pub target: Target,
    /// The slots of which the first filled one gives the whole value, where it is as simple as that.
    first: Option<SmallVec<[usize; 4]>>,
    from: Vec<SmallVec<[usize; 3]>>,
    cut: Cut,
    whole: bool,
    has_table: bool,
    map: Option<Table<Mapped>>,
    contains: Vec<(Needle, Mapped)>,
    default: Option<Mapped>,
    order: Option<Order>,
    utc: bool,
}

/// A value stood where the pack said, but cannot be what it should be.
pub struct Impossible(pub Target);

fn mapped(text: &str, target: Target, schema: &Schema) -> Result<Mapped, String> {
    let names = match target {
        Target::Action => &schema.action,
        Target::Direction => &schema.direction,
        Target::Evidence => &schema.evidence,
        Target::Category => &schema.category,
        Target::Severity => {
            let level = text.parse::<u8>().ok().filter(|level| *level <= 4);
            return level.map(Mapped::Code).ok_or_else(|| format!("{text:?} is no severity from 0 to 4"));
        }
        _ => return Ok(Mapped::Text(text.as_bytes().into())),
    };
    names.code(text).map(Mapped::Code).ok_or_else(|| format!("{text:?} is not one of {:?}", names.0))
}

impl Assign {
    pub fn compile(
        spec: &spec::Field,
        schema: &Schema,
        slot: &mut dyn FnMut(&str) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let from = spec.from.iter().map(|slots| slots.iter().map(|name| slot(name)).collect());
        let map = spec.map.as_ref().map(|table| {
            let pair = |(key, text): (&String, &String)| Ok((key.clone(), mapped(text, spec.target, schema)?));
            table.iter().map(pair).collect::<Result<Table<_>, String>>()
        });
        let contains =
            spec.contains.iter().map(|(key, text)| Ok((Needle::new(key.as_bytes()), mapped(text, spec.target, schema)?)));
        let from: Vec<SmallVec<[usize; 3]>> = from.collect::<Result<_, String>>()?;
        let cut = Cut::compile(spec);
        Ok(Self {
            target: spec.target,
            first: match cut.is_whole() && from.iter().all(|slots| slots.len() == 1) {
                true => Some(from.iter().flatten().copied().collect()),
                false => None,
            },
            has_table: spec.map.is_some() || !spec.contains.is_empty(),
            from,
            whole: cut.is_whole(),
            cut,
            map: map.transpose()?,
            contains: contains.collect::<Result<_, String>>()?,
            default: spec.default.as_ref().map(|text| mapped(text, spec.target, schema)).transpose()?,
            order: spec.order,
            utc: spec.utc,
        })
    }

    /// The first filled alternative.
    pub fn source<'s>(&self, slots: &'s Slots) -> Option<Source<'s>> {
        let found = self.from.iter().find_map(|alternative| {
            let filled = |slot: &usize| slots.get(*slot).filter(|value| !value.is_empty());
            match alternative.as_slice() {
                [one] => filled(one).map(Source::Part),
                several => joined(several, slots).map(Source::Joined),
            }
        })?;
        match found {
            found if self.whole => Some(found),
            Source::Part(value) => self.cut.apply(value).map(Source::Part),
            Source::Joined(value) => self.cut.apply(&value).map(|part| Source::Joined(part.into())),
        }
    }

    fn table(&self, value: &[u8]) -> Option<&Mapped> {
        if let Some(found) = self.map.as_ref().and_then(|map| map.get(value)) {
            return Some(found);
        }
        if self.contains.is_empty() {
            return None;
        }
        let value = Lowered::new(value);
        self.contains.iter().find(|(wanted, _)| wanted.stands_in(&value)).map(|(_, found)| found)
    }

    /// Fill the row's field from the slots. A value that is there but impossible is an error; one that is not there is not.
    pub fn apply(&self, slots: &Slots, row: &mut Row, schema: &Schema, context: &Context) -> Result<(), Impossible> {
        if let Some(first) = &self.first {
            let filled = |&slot: &usize| slots.get(slot).filter(|value| !value.is_empty());
            let value = first.iter().find_map(filled).filter(|value| self.believed(slots, value));
            return self.fill(value, row, schema, context);
        }
        let value = self.source(slots);
        let sure = match &value {
            Some(Source::Part(value)) => self.believed(slots, value),
            _ => self.from.iter().flatten().all(|&slot| slots.get(slot).is_none_or(|value| self.believed(slots, value))),
        };
        self.fill(value.as_deref().filter(|_| sure), row, schema, context)
    }

    /// An address or a number at the very end of a line that may have been cut there may have lost digits.
    fn believed(&self, slots: &Slots, value: &[u8]) -> bool {
        !self.target.is_exact() || !slots.may_be_cut(value, self.target.is_of_endpoint())
    }

    fn fill(&self, value: Option<&[u8]>, row: &mut Row, schema: &Schema, context: &Context) -> Result<(), Impossible> {
        let mapped = match value {
            Some(value) if self.has_table => self.table(value).or(self.default.as_ref()),
            Some(_) => None,
            None => self.default.as_ref(),
        };
        match mapped {
            Some(Mapped::Code(code)) => {
                set_code(self.target, *code, row);
                return Ok(());
            }
            Some(Mapped::Text(text)) => return self.set(text, row, schema, context),
            None => {}
        }
        match value {
            Some(value) if !(self.has_table && is_coded(self.target)) => self.set(value, row, schema, context),
            _ => Ok(()),
        }
    }

    fn set(&self, value: &[u8], row: &mut Row, schema: &Schema, context: &Context) -> Result<(), Impossible> {
        if self.target != Target::Time {
            return set(self.target, value, row, schema);
        }
        let value = value::trim(value);
        if !(value.is_empty() || says_nothing(value)) {
            let offset = if self.utc { 0 } else { context.offset };
            let found = crate::time::parse_as(value, self.order, &Context { offset, ..*context });
            row.time = Some(found.ok_or(Impossible(Target::Time))?);
        }
        Ok(())
    }
}

fn is_coded(target: Target) -> bool {
    matches!(target, Target::Action | Target::Direction | Target::Evidence | Target::Category | Target::Severity)
}

fn set_code(target: Target, code: u8, row: &mut Row) {
    match target {
        Target::Action => row.action = code,
        Target::Direction => row.direction = code,
        Target::Evidence => row.evidence = code,
        Target::Category => row.category = code,
        Target::Severity => row.severity = code,
        _ => {}
    }
}

/// `-`, `N/A` and their like stand for nothing in many products.
fn says_nothing(value: &[u8]) -> bool {
    matches!(value, b"-" | b"N/A" | b"n/a" | b"none" | b"None" | b"(null)" | b"null")
}

fn set(target: Target, value: &[u8], row: &mut Row, schema: &Schema) -> Result<(), Impossible> {
    let value = value::trim(value);
    if value.is_empty() || says_nothing(value) {
        return Ok(());
    }
    let impossible = || Impossible(target);
    let keep = |text: &mut String, limit: usize| {
        text.clear();
        text.push_str(&value::clean_text(value, limit));
    };
    match target {
        Target::Time => {} // read with the pack's own options, by `Assign::set`
        Target::SrcIp => row.src_ip = value::parse_address(value).ok_or_else(impossible)?,
        Target::DstIp => row.dst_ip = value::parse_address(value).ok_or_else(impossible)?,
        // A service's name that no table of the pack knows is left out, never guessed.
        Target::SrcPort | Target::DstPort if !value.first().is_some_and(u8::is_ascii_digit) => {}
        Target::SrcPort => row.src_port = Some(value::parse_port(value).ok_or_else(impossible)?),
        Target::DstPort => row.dst_port = Some(value::parse_port(value).ok_or_else(impossible)?),
        Target::Protocol => {
            if let Some(number) = value::parse_protocol(value) {
                row.protocol = number;
            }
        }
        Target::BytesIn => row.bytes_in = value::parse_u64(value),
        Target::BytesOut => row.bytes_out = value::parse_u64(value),
        Target::Packets => row.packets = Some(row.packets.unwrap_or(0).saturating_add(value::parse_u64(value).unwrap_or(0))),
        Target::SignatureId => keep(&mut row.signature_id, schema.max_signature_id),
        Target::Signature => keep(&mut row.signature, schema.max_signature),
        Target::Threat => keep(&mut row.threat, schema.max_threat),
        Target::Severity => row.severity = value::parse_u64(value).map_or(0, |level| u8::try_from(level.min(4)).unwrap_or(4)),
        Target::Cve => value::find_cves(value, schema.max_cves, &mut row.cve),
        Target::FileSha256 => row.file_sha256 = value::parse_sha256(value),
        Target::SenderDomain => {
            row.sender_domain = value::domain_of(value).filter(|domain| domain.len() <= schema.max_sender_domain);
        }
        Target::Action => row.action = code_of(&schema.action, value),
        Target::Direction => row.direction = code_of(&schema.direction, value),
        Target::Evidence => row.evidence = code_of(&schema.evidence, value),
        Target::Category => row.category = code_of(&schema.category, value),
    }
    Ok(())
}

fn code_of(names: &crate::event::Names, value: &[u8]) -> u8 {
    std::str::from_utf8(value).ok().and_then(|name| names.code(name)).unwrap_or(0)
}
