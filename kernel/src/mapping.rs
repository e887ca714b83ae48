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

    /// Whether this is the same question.
    pub fn asks_as(&self, other: &Self) -> bool {
        self.slot == other.slot && self.test == other.test && self.values == other.values
    }

    pub fn holds(&self, slots: &Slots) -> bool {
        let Some(value) = slots.filled(self.slot) else {
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
    Joined(SmallVec<[u8; JOINED]>),
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

/// Most joined values are no longer.
const JOINED: usize = 64;

/// The values of several slots with a blank between them; None when one of them is empty.
fn joined(several: &[usize], slots: &Slots) -> Option<SmallVec<[u8; JOINED]>> {
    let mut length = several.len().saturating_sub(1);
    for &slot in several {
        length += slots.filled(slot)?.len();
    }
    let mut place = [b' '; JOINED];
    let Some(mut rest) = place.get_mut(..length) else {
        return several.iter().map(|&slot| slots.filled(slot)).collect::<Option<Vec<_>>>().map(|parts| parts.join(&b' ').into());
    };
    for &slot in several {
        let part = slots.filled(slot)?;
        let (here, after) = rest.split_at_mut_checked(part.len())?;
        here.copy_from_slice(part);
        rest = after.get_mut(1..).unwrap_or_default();
    }
    Some(SmallVec::from_buf_and_len(place, length))
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
    #[inline(always)]
    pub fn source<'s>(&self, slots: &'s Slots) -> Option<Source<'s>> {
        let found = self.from.iter().find_map(|alternative| match alternative.as_slice() {
            [one] => slots.filled(*one).map(Source::Part),
            several => joined(several, slots).map(Source::Joined),
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
        let source;
        let value = if let Some(first) = &self.first {
            first.iter().find_map(|&slot| slots.filled(slot)).filter(|value| self.believed(slots, value))
        } else {
            source = self.source(slots);
            let sure = match &source {
                Some(Source::Part(value)) => self.believed(slots, value),
                _ => self.from.iter().flatten().all(|&slot| slots.get(slot).is_none_or(|value| self.believed(slots, value))),
            };
            source.as_deref().filter(|_| sure)
        };
        self.fill(value, row, schema, context)
    }

    /// An address or a number at the very end of a line that may have been cut there may have lost digits.
    fn believed(&self, slots: &Slots, value: &[u8]) -> bool {
        !self.target.is_exact() || !slots.may_be_cut(value, self.target.is_of_endpoint())
    }

    #[inline(always)]
    fn fill(&self, value: Option<&[u8]>, row: &mut Row, schema: &Schema, context: &Context) -> Result<(), Impossible> {
        let mapped = match value {
            Some(value) if self.has_table => self.table(value).or(self.default.as_ref()),
            Some(_) => None,
            None => self.default.as_ref(),
        };
        let value = match (mapped, value) {
            (Some(Mapped::Code(code)), _) => {
                set_code(self.target, *code, row);
                return Ok(());
            }
            (Some(Mapped::Text(text)), _) => text,
            (None, Some(value)) if !(self.has_table && is_coded(self.target)) => value,
            (None, _) => return Ok(()),
        };
        if self.target != Target::Time {
            return set(self.target, value, row, schema);
        }
        let value = value::trim(value);
        let offset = if self.utc { 0 } else { context.offset };
        match crate::time::parse_as(value, self.order, &Context { offset, ..*context }) {
            None if !says_nothing(value) => return Err(Impossible(Target::Time)),
            None => {}
            time => row.time = time,
        }
        Ok(())
    }
}

const LONGEST_NOTHING: usize = 6;

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
    value.len() <= LONGEST_NOTHING && matches!(value, b"" | b"-" | b"N/A" | b"n/a" | b"none" | b"None" | b"(null)" | b"null")
}

#[inline(always)]
fn set(target: Target, value: &[u8], row: &mut Row, schema: &Schema) -> Result<(), Impossible> {
    let value = value::trim(value);
    // What says nothing is no address and no number, so that it is asked last.
    let address =
        || value::parse_address(value).map(Some).or_else(|| says_nothing(value).then_some(None)).ok_or(Impossible(target));
    let port = || value::parse_port(value).ok_or(Impossible(target));
    match target {
        Target::SrcIp => row.src_ip = address()?.unwrap_or(row.src_ip),
        Target::DstIp => row.dst_ip = address()?.unwrap_or(row.dst_ip),
        // A service's name that no table of the pack knows is left out, never guessed.
        Target::SrcPort | Target::DstPort if !value.first().is_some_and(u8::is_ascii_digit) => {}
        Target::SrcPort => row.src_port = Some(port()?),
        Target::DstPort => row.dst_port = Some(port()?),
        Target::Protocol => row.protocol = value::parse_protocol(value).unwrap_or(row.protocol),
        _ if says_nothing(value) => {}
        Target::BytesIn => row.bytes_in = value::parse_u64(value),
        Target::BytesOut => row.bytes_out = value::parse_u64(value),
        Target::Packets => row.packets = Some(row.packets.unwrap_or(0).saturating_add(value::parse_u64(value).unwrap_or(0))),
        _ => set_detail(target, value, row, schema),
    }
    Ok(())
}

/// What few lines say, or in words.
#[inline(never)]
fn set_detail(target: Target, value: &[u8], row: &mut Row, schema: &Schema) {
    let keep = |text: &mut String, limit: usize| {
        text.clear();
        text.push_str(&value::clean_text(value, limit));
    };
    match target {
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
        // Times are read with the pack's own options, by `Assign::fill`; the others by `set`.
        _ => {}
    }
}

fn code_of(names: &crate::event::Names, value: &[u8]) -> u8 {
    std::str::from_utf8(value).ok().and_then(|name| names.code(name)).unwrap_or(0)
}
