//! Packs, compiled: each kind of line with its recogniser, its syntax and its meanings.

use crate::decode::Memory;
use crate::event::{Row, Schema, Target};
use crate::mapping::{Assign, Condition, Impossible};
use crate::recognise::{Recogniser, Wanted};
use crate::spec;
use crate::syntax::{Keys, LABEL_PREFIX, Labels, MOST_SLOTS, Slots, Syntax, cef, csv, json, kv, leef, template, xml};
use crate::time::Context;
use hashbrown::HashMap;
use std::sync::{Mutex, OnceLock};

pub struct Kind {
    pub name: String,
    pub noise: bool,
    again: bool,
    sensor: u8,
    /// Of the line's conditions.
    when: Vec<usize>,
    require: Vec<Target>,
    /// How many columns such a line has, where it has any.
    pub columns: usize,
    pub assigns: Vec<Assign>,
}

pub struct Line {
    pub pack: usize,
    pub name: String,
    pub syntax: Syntax,
    /// Slot names, for `explain`.
    pub names: Vec<String>,
    pub prefix_slot: Option<usize>,
    pub program_slot: Option<usize>,
    pub message_slot: Option<usize>,
    pub msgid_slot: Option<usize>,
    /// Such lines never end in an address, a port or a protocol, unless they were cut.
    pub last_may_be_cut: bool,
    /// Slots for which there may not be two different texts.
    pub once: Vec<usize>,
    /// What its kinds ask, each question once.
    conditions: Vec<Condition>,
    pub kinds: Vec<Kind>,
}

pub struct Library {
    pub schema: Schema,
    pub pack_names: Vec<String>,
    pub recogniser: Recogniser,
    sources: Vec<Source>,
    /// Compiled when first needed: a member has a handful of products, not all.
    lines: Vec<OnceLock<Option<Line>>>,
    /// What those who decode have learnt, one at a time each.
    memories: Mutex<Vec<Memory>>,
}

/// So many decode at once, as a rule; what more of them learn is forgotten.
const MOST_MEMORIES: usize = 2;

/// A line as its pack says it.
struct Source {
    pack: usize,
    sensor: String,
    line: spec::Line,
}

/// Slots that no syntax fills. Any other name that begins with `@`, such as JSON's `@timestamp`, is a name as others are.
const PSEUDO: [&str; 5] = ["@prefix", "@program", "@msgid", "@message", "@columns"];

fn is_pseudo(name: &str) -> bool {
    PSEUDO.contains(&name)
}

/// Slot numbers by name, given out as they are asked for.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, usize>,
    list: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.numbers.insert(name.to_owned(), self.list.len());
        self.list.push(name.to_owned());
        self.list.len() - 1
    }
}

fn boxed(texts: &[String]) -> Vec<Box<[u8]>> {
    texts.iter().map(|text| text.as_bytes().into()).collect()
}

fn byte(c: char) -> Result<u8, String> {
    u8::try_from(c).map_err(|_| format!("{c:?} is not a single byte"))
}

impl Library {
    /// Compile all of a library. Errors name pack and line.
    pub fn compile(spec: spec::Library) -> Result<Self, String> {
        let library = Self::lazily(spec)?;
        for (number, (source, line)) in library.sources.iter().zip(&library.lines).enumerate() {
            let compiled = compile_line(number, source, &library.schema, &library.recogniser).map_err(|error| {
                let pack = library.pack_names.get(source.pack).map_or("", String::as_str);
                format!("pack {pack:?}, line {:?}: {error}", source.line.name)
            })?;
            let _ = line.set(Some(compiled));
        }
        Ok(library)
    }

    /// As `compile`, for packs that were compiled before: their lines are compiled when they are first met.
    pub fn lazily(spec: spec::Library) -> Result<Self, String> {
        let mut wanted = Vec::new();
        let mut sources = Vec::new();
        let mut pack_names = Vec::new();
        for (pack, source) in spec.packs.into_iter().enumerate() {
            let own = |line: &spec::Line| !line.begins.is_empty() || !line.programs.is_empty();
            let direct = !source.fallback && source.lines.iter().all(own);
            for line in source.lines {
                wanted.push(Wanted {
                    direct,
                    fallback: source.fallback,
                    noise: line.kinds.iter().all(|kind| kind.noise),
                    begins: boxed(&line.begins),
                    contains: line.contains.iter().map(|group| boxed(group)).collect(),
                    programs: boxed(&line.programs),
                    programs_only: line.programs_only,
                    locate: line.locate.as_ref().map(|text| text.as_bytes().into()),
                });
                sources.push(Source { pack, sensor: source.sensor.clone(), line });
            }
            pack_names.push(source.name);
        }
        let lines = sources.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            pack_names,
            recogniser: Recogniser::new(wanted)?,
            schema: spec.schema,
            sources,
            lines,
            memories: Mutex::default(),
        })
    }

    /// What earlier lines have taught.
    pub fn memory(&self) -> Memory {
        self.memories.lock().ok().and_then(|mut kept| kept.pop()).unwrap_or_default()
    }

    pub fn remember(&self, memory: Memory) {
        if let Ok(mut kept) = self.memories.lock()
            && kept.len() < MOST_MEMORIES
        {
            kept.push(memory);
        }
    }

    /// A line by its number.
    pub fn line(&self, number: usize) -> Option<&Line> {
        let compiled = || compile_line(number, self.sources.get(number)?, &self.schema, &self.recogniser).ok();
        self.lines.get(number)?.get_or_init(compiled).as_ref()
    }
}

fn compile_line(number: usize, source: &Source, schema: &Schema, recogniser: &Recogniser) -> Result<Line, String> {
    let line = &source.line;
    let mut names = Names::default();
    let is_csv = line.syntax == "csv";
    let mut columns = 0;
    if is_csv {
        // A column's number is its slot, so all columns come first.
        columns = line.kinds.iter().map(|kind| kind.columns.len()).max().unwrap_or(0).max(line.columns.len());
        for column in 0..columns {
            names.number(&format!("column {column}"));
        }
    }
    let templates = compile_templates(line, &mut names)?;
    let mut kinds = Vec::new();
    let mut conditions = Vec::new();
    for kind in &line.kinds {
        let compiled = compile_kind(source, kind, schema, &mut names, &mut conditions);
        kinds.push(compiled.map_err(|error| format!("kind {:?}: {error}", kind.name))?);
    }
    let asked = |name: &String| names.numbers.get(name).copied().ok_or_else(|| format!("`once`: nothing asks for {name:?}"));
    let once = line.once.iter().map(asked).collect::<Result<Vec<_>, String>>()?;
    if names.list.len() > MOST_SLOTS {
        return Err(format!("asks for {} values; {MOST_SLOTS} are the most", names.list.len()));
    }
    let groups = recogniser.texts_of(number);
    let syntax = compile_syntax(number, groups, line, &names, templates, columns)?;
    Ok(Line {
        pack: source.pack,
        name: line.name.clone(),
        syntax,
        prefix_slot: names.numbers.get("@prefix").copied(),
        program_slot: names.numbers.get("@program").copied(),
        message_slot: names.numbers.get("@message").copied(),
        msgid_slot: names.numbers.get("@msgid").copied(),
        last_may_be_cut: line.last_may_be_cut,
        once,
        names: names.list,
        conditions,
        kinds,
    })
}

fn compile_templates(line: &spec::Line, names: &mut Names) -> Result<Vec<template::Template>, String> {
    let compile = |text: &String| {
        template::Template::compile(text, &mut |name| names.number(name)).map_err(|error| format!("template {text:?}: {error}"))
    };
    line.templates.iter().map(compile).collect()
}

fn compile_kind(
    source: &Source,
    kind: &spec::Kind,
    schema: &Schema,
    names: &mut Names,
    conditions: &mut Vec<Condition>,
) -> Result<Kind, String> {
    let line = &source.line;
    let columns = if kind.columns.is_empty() { &line.columns } else { &kind.columns };
    let is_csv = line.syntax == "csv";
    let is_template = line.syntax == "template";
    let mut slot = |name: &str| -> Result<usize, String> {
        if is_csv && !is_pseudo(name) {
            return columns.iter().position(|column| column == name).ok_or_else(|| format!("there is no column {name:?}"));
        }
        if is_template && !is_pseudo(name) && !names.numbers.contains_key(name) {
            return Err(format!("no template captures {name:?}"));
        }
        Ok(names.number(name))
    };
    let mut when = Vec::new();
    for condition in &kind.when {
        let asked = Condition::compile(condition, slot(&condition.slot)?);
        let known = conditions.iter().position(|known| known.asks_as(&asked));
        when.push(known.unwrap_or(conditions.len()));
        if known.is_none() {
            conditions.push(asked);
        }
    }
    let assigns = kind
        .fields
        .iter()
        .map(|field| Assign::compile(field, schema, &mut slot).map_err(|error| format!("field {:?}: {error}", field.target)));
    let assigns = assigns.collect::<Result<Vec<_>, String>>()?;
    let sensor = kind.sensor.as_ref().unwrap_or(&source.sensor);
    Ok(Kind {
        name: kind.name.clone(),
        noise: kind.noise,
        again: kind.again,
        sensor: schema.sensor.code(sensor).ok_or_else(|| format!("there is no sensor {sensor:?}"))?,
        when,
        require: kind.require.clone(),
        columns: columns.len(),
        assigns,
    })
}

fn compile_syntax(
    number: usize,
    groups: Vec<Vec<Box<[u8]>>>,
    line: &spec::Line,
    names: &Names,
    templates: Vec<template::Template>,
    columns: usize,
) -> Result<Syntax, String> {
    let plain = || names.numbers.iter().filter(|(name, _)| !is_pseudo(name));
    let keys = || plain().map(|(name, &slot)| (name.as_bytes(), slot)).collect();
    match line.syntax.as_str() {
        "kv" => {
            let options = line.kv.as_ref().ok_or("has no kv options")?;
            let escape = options.escape.map(byte).transpose()?.unwrap_or(0);
            let (pair, equals, quote) = (byte(options.pair)?, byte(options.equals)?, byte(options.quote)?);
            let signs = kv::Signs { pair, equals, quote, escape, spaced: options.spaced };
            Ok(Syntax::Kv(kv::KeyValue::new(number, keys(), signs).demanding(groups)))
        }
        "csv" => {
            let options = line.csv.as_ref().ok_or("has no csv options")?;
            let (separator, quote) = (byte(options.separator)?, byte(options.quote)?);
            let escape = options.escape.map(byte).transpose()?.unwrap_or(0);
            let count = names.numbers.get("@columns").copied();
            let (brackets, collapse) = (options.brackets, options.collapse);
            Ok(Syntax::Csv(csv::Csv { separator, quote, escape, brackets, collapse, columns, count }))
        }
        "json" => {
            let mut paths = json::Paths::default();
            for (name, &slot) in plain() {
                paths.add(name, slot)?;
            }
            Ok(Syntax::Json(paths))
        }
        "cef" => {
            let header = cef::HEADER_FIELDS.map(|name| names.numbers.get(name).copied());
            let (keys, labels) = keys_and_labels(names)?;
            Ok(Syntax::Cef(cef::Cef { header, keys, labels }))
        }
        "leef" => {
            let header = leef::HEADER_FIELDS.map(|name| names.numbers.get(name).copied());
            let (keys, labels) = keys_and_labels(names)?;
            Ok(Syntax::Leef(leef::Leef { header, keys, labels }))
        }
        "xml" => {
            let mut elements = xml::Elements::default();
            for (name, &slot) in plain() {
                elements.add(name, slot);
            }
            Ok(Syntax::Xml(elements))
        }
        "template" if templates.is_empty() => Err("has no templates".to_owned()),
        "template" => Ok(Syntax::Template(templates)),
        other => Err(format!("there is no syntax {other:?}")),
    }
}

/// Of CEF and LEEF: the keys that are asked for as they are, and the custom fields that are asked for by what they are called.
fn keys_and_labels(names: &Names) -> Result<(Keys, Labels), String> {
    let mut labels = Labels::default();
    let mut keys = Vec::new();
    for (slot, name) in names.list.iter().enumerate().filter(|(_, name)| !is_pseudo(name)) {
        match name.strip_prefix(LABEL_PREFIX) {
            Some(label) => labels.add(label, slot)?,
            None => keys.push((name.as_bytes(), slot)),
        }
    }
    Ok((keys.into_iter().collect(), labels))
}

/// What a line of a known kind turned out to be.
pub enum Meaning {
    Event,
    Noise,
    Malformed(&'static str),
}

impl Line {
    /// The first kind that applies.
    pub fn kind(&self, slots: &Slots) -> Option<&Kind> {
        // The answers to the first questions, a bit each: several kinds ask the same ones.
        let (mut asked, mut held) = (0_u64, 0_u64);
        let mut holds = |&number: &usize| {
            let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0);
            if asked & bit != 0 {
                return held & bit != 0;
            }
            let holds = self.conditions.get(number).is_some_and(|condition| condition.holds(slots));
            asked |= bit;
            held |= if holds { bit } else { 0 };
            holds
        };
        self.kinds.iter().find(|kind| kind.when.iter().all(&mut holds))
    }
}

impl Kind {
    /// Fill an event from the slots.
    pub fn read(&self, slots: &mut Slots, row: &mut Row, schema: &Schema, context: &Context) -> Meaning {
        if self.noise {
            return Meaning::Noise;
        }
        row.begin(self.sensor, self.again);
        slots.settle_end();
        for assign in &self.assigns {
            if let Err(Impossible(target)) = assign.apply(slots, row, schema, context) {
                // A time that cannot be is replaced by the time of receipt; an address or port that cannot be is a broken line.
                if target != Target::Time {
                    return Meaning::Malformed("an address or port that cannot be one");
                }
            }
        }
        match self.require.iter().all(|target| filled(row, *target)) {
            true => Meaning::Event,
            false => Meaning::Malformed("cut off: a value that this kind of line always has is missing"),
        }
    }
}

fn filled(row: &Row, target: Target) -> bool {
    match target {
        Target::SrcIp => row.src_ip != crate::value::NO_ADDRESS,
        Target::DstIp => row.dst_ip != crate::value::NO_ADDRESS,
        Target::SrcPort => row.src_port.is_some(),
        Target::DstPort => row.dst_port.is_some(),
        Target::Time => row.time.is_some(),
        Target::Action => row.action != 0,
        Target::Signature => !row.signature.is_empty(),
        Target::SignatureId => !row.signature_id.is_empty(),
        Target::Threat => !row.threat.is_empty(),
        Target::Protocol => row.protocol != crate::value::UNKNOWN_PROTOCOL,
        _ => true,
    }
}
