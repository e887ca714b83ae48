//! Which events are suspicious enough to leave the site: rules as data, first match decides.
//!
//! The sieve sees rows only, never text. It fills in the direction from the member's own networks, and remembers, within bounds,
//! which sources were blocked, detected or scanning, so that what they are allowed to do afterwards is kept too; what they were
//! allowed before is held for a while (`held`) and recalled. Who is inside never leaves: of what is kept between two of the
//! member's own addresses, addresses and ports are taken out.

use crate::columns::Columns;
use crate::decode::{Batch, Outcome};
use crate::event::{INBOUND, INTERNAL, Schema};
use crate::held::{Held, Scanning};
use crate::network::{self, Networks};
use crate::value::{Address, NO_ADDRESS};
use hashbrown::{HashMap, HashSet};
use serde::Deserialize;

/// Sources remembered at most; about 10 MB.
const MOST_REMEMBERED: usize = 200_000;

/// When sources were last blocked or detected, for the newest ones only. Two generations: when the younger is full it becomes the
/// older, whose sources are forgotten. So a flood of forged sources costs neither time nor room, and whoever came last is known.
#[derive(Default)]
struct Memory {
    younger: HashMap<Address, i64>,
    older: HashMap<Address, i64>,
}

impl Memory {
    /// Was it not known at all?
    fn remember(&mut self, source: Address, time: i64) -> bool {
        if self.younger.len() >= MOST_REMEMBERED / 2 && !self.younger.contains_key(&source) {
            self.older = std::mem::take(&mut self.younger);
        }
        let known = self.older.get(&source).copied();
        let mut new = false;
        let last = self.younger.entry(source).or_insert_with(|| {
            new = known.is_none();
            known.unwrap_or(time)
        });
        *last = (*last).max(time);
        new
    }

    /// Devices' logs do not come in order, so a source counts as remembered shortly before it was seen as well.
    fn knows(&self, source: &Address, time: i64, within: i64) -> bool {
        let near = |last: &i64| time.saturating_sub(*last).saturating_abs() <= within;
        self.younger.get(source).or_else(|| self.older.get(source)).is_some_and(near)
    }
}

#[derive(Deserialize)]
struct RuleSpec {
    name: String,
    outcome: String,
    #[serde(default)]
    sensor: Vec<String>,
    #[serde(default)]
    action: Vec<String>,
    #[serde(default)]
    direction: Vec<String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    category: Vec<String>,
    #[serde(default)]
    trusted_source: bool,
    #[serde(default)]
    known_source: bool,
    #[serde(default)]
    remembered_source: bool,
    #[serde(default)]
    listed_source: bool,
    /// Held for a while, in case the source turns out suspicious.
    #[serde(default)]
    held: bool,
    /// The source is one of the member's own addresses.
    #[serde(default)]
    own_source: bool,
    /// The line tells the end of what another has told.
    #[serde(default)]
    again: bool,
}

#[derive(Deserialize)]
struct Spec {
    schema: Schema,
    rules: Vec<RuleSpec>,
    /// Ranges as first and last address, 32 hexadecimal digits each.
    home: Vec<(String, String)>,
    trusted: Vec<(String, String)>,
    /// Of operators that the member chose from the list that comes with the program.
    #[serde(default)]
    known: Vec<(String, String)>,
    remember_ms: i64,
    scanning: Scanning,
}

struct Rule {
    name: String,
    outcome: Outcome,
    sensor: u32,
    action: u32,
    direction: u32,
    ports: Option<HashSet<u16>>,
    category: u32,
    trusted_source: bool,
    known_source: bool,
    remembered_source: bool,
    listed_source: bool,
    own_source: bool,
    again: bool,
    held: bool,
}

pub struct Sieve {
    rules: Vec<Rule>,
    home: Networks,
    trusted: Networks,
    known: Networks,
    /// Of sources that are seen across the whole network, as the centre tells.
    listed: Networks,
    remember_ms: i64,
    scanning: Scanning,
    memory: Memory,
    held: Held,
    firewall: u8,
    allowed: u8,
}

fn outcome(name: &str) -> Result<Outcome, String> {
    match name {
        "kept" => Ok(Outcome::Kept),
        "routine" => Ok(Outcome::Routine),
        "internal" => Ok(Outcome::Internal),
        "outbound" => Ok(Outcome::Outbound),
        "trusted" => Ok(Outcome::Trusted),
        _ => Err(format!("a sieve rule cannot give the outcome {name:?}")),
    }
}

/// A bit for each accepted code; all bits when nothing is asked.
fn mask(wanted: &[String], names: &crate::event::Names) -> Result<u32, String> {
    if wanted.is_empty() {
        return Ok(u32::MAX);
    }
    wanted.iter().try_fold(0, |bits, name| {
        let code = names.code(name).ok_or_else(|| format!("{name:?} is not one of {:?}", names.0))?;
        Ok(bits | 1 << code)
    })
}

pub fn networks(ranges: &[(String, String)]) -> Result<Networks, String> {
    let number = |text: &String| u128::from_str_radix(text, 16).map_err(|error| format!("{text:?}: {error}"));
    let pairs = ranges.iter().map(|(first, last)| Ok((number(first)?, number(last)?)));
    Ok(Networks::new(pairs.collect::<Result<_, String>>()?))
}

impl Sieve {
    pub fn compile(text: &str) -> Result<Self, String> {
        let spec: Spec = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rules = spec.rules.into_iter().map(|rule| {
            let compiled = || -> Result<Rule, String> {
                if rule.held && rule.outcome != "routine" {
                    return Err("only what is routine can be held".to_owned());
                }
                Ok(Rule {
                    outcome: outcome(&rule.outcome)?,
                    sensor: mask(&rule.sensor, &spec.schema.sensor)?,
                    action: mask(&rule.action, &spec.schema.action)?,
                    direction: mask(&rule.direction, &spec.schema.direction)?,
                    ports: (!rule.ports.is_empty()).then(|| rule.ports.iter().copied().collect()),
                    category: mask(&rule.category, &spec.schema.category)?,
                    trusted_source: rule.trusted_source,
                    known_source: rule.known_source,
                    remembered_source: rule.remembered_source,
                    listed_source: rule.listed_source,
                    own_source: rule.own_source,
                    again: rule.again,
                    held: rule.held,
                    name: rule.name.clone(),
                })
            };
            compiled().map_err(|error| format!("rule {:?}: {error}", rule.name))
        });
        Ok(Self {
            rules: rules.collect::<Result<_, String>>()?,
            home: networks(&spec.home)?,
            trusted: networks(&spec.trusted)?,
            known: networks(&spec.known)?,
            listed: Networks::default(),
            remember_ms: spec.remember_ms,
            scanning: spec.scanning,
            memory: Memory::default(),
            held: Held::default(),
            firewall: spec.schema.sensor.code("firewall").ok_or("the schema has no firewall")?,
            allowed: spec.schema.action.code(crate::event::ALLOWED).ok_or("the schema has no action allowed")?,
        })
    }

    /// The sources that the centre lists now. What they were let in to before is recalled.
    pub fn list(&mut self, listed: Networks) {
        self.listed = listed;
        self.held.recall_all(&|source| self.listed.contains(source));
    }

    /// What is held, and what of it was recalled.
    pub fn held(&mut self) -> &mut Held {
        &mut self.held
    }

    /// Decide the outcome of every decoded row of a batch from `device`. Gives, for each row, the number of the rule that decided.
    pub fn apply(&mut self, batch: &mut Batch, device: &str) -> Vec<u16> {
        let mut deciding = Vec::with_capacity(batch.columns.len());
        let device = self.held.device(device);
        for row in 0..batch.columns.len() {
            let number = self.row(&mut batch.columns, row);
            let rule = number.and_then(|number| self.rules.get(number));
            let (decided, held) = rule.map_or((Outcome::Kept, false), |rule| (rule.outcome, rule.held));
            let line = batch.line_of_row.get(row).copied().unwrap_or_default() as usize;
            if let Some(place) = batch.outcomes.get_mut(line) {
                *place = decided as u8;
            }
            if decided == Outcome::Kept {
                withhold_inside(&mut batch.columns, row);
            }
            if held {
                self.hold(batch, row, device);
            }
            deciding.push(number.and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX));
        }
        deciding
    }

    fn hold(&mut self, batch: &Batch, row: usize, device: u32) {
        let (Some(&source), Some(&time)) = (batch.columns.src_ip.get(row), batch.columns.time.get(row)) else { return };
        if source != NO_ADDRESS && !self.home.contains(&source) && self.held.hold(batch, row, device, self.scanning) {
            self.suspect(source, time);
        }
    }

    fn suspect(&mut self, source: Address, time: i64) {
        self.memory.remember(source, time);
        self.held.recall(&source, time, self.remember_ms);
    }

    pub fn rule_name(&self, number: u16) -> &str {
        self.rules.get(usize::from(number)).map_or("no rule: kept", |rule| rule.name.as_str())
    }

    fn row(&mut self, columns: &mut Columns, row: usize) -> Option<usize> {
        let src = *columns.src_ip.get(row)?;
        let dst = *columns.dst_ip.get(row)?;
        let sensor = *columns.sensor.get(row)?;
        let action = *columns.action.get(row)?;
        let direction = columns.direction.get_mut(row)?;
        if src != NO_ADDRESS && dst != NO_ADDRESS {
            let home = &self.home;
            let by_address = network::direction(&src, &dst, &|address| home.contains(address));
            // Between two addresses that are not the member's: what the device says, else it came to the member's border.
            *direction = by_address.unwrap_or(if *direction == 0 { INBOUND } else { *direction });
        }
        let direction = *direction;
        let port = columns.dst_port.get(row).copied().flatten();
        let time = *columns.time.get(row)?;
        let category = *columns.category.get(row)?;
        let again = *columns.again.get(row)?;
        let remembered = self.memory.knows(&src, time, self.remember_ms);
        let found = self.rules.iter().position(|rule| {
            rule.sensor & (1 << sensor) != 0
                && rule.action & (1 << action) != 0
                && rule.direction & (1 << direction) != 0
                && rule.ports.as_ref().is_none_or(|ports| port.is_some_and(|port| ports.contains(&port)))
                && rule.category & (1 << category) != 0
                && (!rule.again || again)
                && (!rule.own_source || self.home.contains(&src))
                && (!rule.trusted_source || self.trusted.contains(&src))
                && (!rule.known_source || self.known.contains(&src))
                && (!rule.listed_source || self.listed.contains(&src))
                && (!rule.remembered_source || remembered)
        });
        let kept = found.and_then(|number| self.rules.get(number)).is_none_or(|rule| rule.outcome == Outcome::Kept);
        // What was let in and says nothing bad, be it traffic or a sign-in, makes no source a hostile one.
        let harmless = action == self.allowed && (sensor == self.firewall || category == 0);
        let inbound = direction == INBOUND || (dst == NO_ADDRESS && direction == 0 && !self.home.contains(&src));
        if kept && !harmless && inbound && src != NO_ADDRESS {
            self.suspect(src, time);
        }
        found
    }
}

/// Between two of the member's own addresses: that something was detected is told, and not between whom.
fn withhold_inside(columns: &mut Columns, row: usize) {
    if columns.direction.get(row) != Some(&INTERNAL) {
        return;
    }
    for column in [&mut columns.src_ip, &mut columns.dst_ip] {
        column.get_mut(row).into_iter().for_each(|address| *address = NO_ADDRESS);
    }
    for column in [&mut columns.src_port, &mut columns.dst_port] {
        column.get_mut(row).into_iter().for_each(|port| *port = None);
    }
}

#[cfg(test)]
mod tests;
