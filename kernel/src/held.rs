//! What was let in and looked harmless, held a while in case its source turns out not to be.
//!
//! Invariants
//! - A flow is held once: by device, product, source, destination, port and hour. Counts are exact, as in a summary.
//! - Room is bounded, also for one source: two generations, the older forgotten when the younger is full. What is forgotten was
//!   counted as routine, and stays so.
//! - What was recalled is not held any more, so nothing is sent twice.
//!
//! It also sees who scans: one source that is let in to many ports, or to many addresses, is looking for what is open.

use crate::columns::Columns;
use crate::decode::Batch;
use crate::summary::{Summary, fits, merge};
use crate::value::Address;
use hashbrown::HashMap;
use serde::Deserialize;

/// Rows in one generation, about 200 bytes each.
const MOST_ROWS: usize = 50_000;
/// Rows of one source in a generation: a scanner is known long before, and a chain must be short to be walked for each line.
const MOST_OF_ONE: u32 = 256;
/// Connections within this time become one row.
const WINDOW: i64 = 3_600_000;
const NONE: u32 = u32::MAX;

/// How many ports or addresses within `ms` make a source a scanner.
#[derive(Clone, Copy, Deserialize)]
pub struct Scanning {
    pub ports: usize,
    pub addresses: usize,
    pub ms: i64,
}

#[derive(Default)]
struct Generation {
    rows: Columns,
    /// For each row, the one before it of the same source, or `NONE`.
    before: Vec<u32>,
    /// For each source, its newest row and how many it has.
    newest: HashMap<Address, (u32, u32)>,
}

impl Generation {
    /// The rows of a source, newest first.
    fn of(&self, source: &Address) -> impl Iterator<Item = usize> {
        let mut at = self.newest.get(source).map_or(NONE, |newest| newest.0);
        std::iter::from_fn(move || {
            let row = (at != NONE).then_some(at as usize)?;
            at = self.before.get(row).copied().unwrap_or(NONE);
            Some(row)
        })
    }

    fn is_same(&self, at: usize, from: &Columns, row: usize, product: u32, device: u32) -> bool {
        let own = &self.rows;
        let hour = |time: Option<&i64>| time.map(|time| time.div_euclid(WINDOW));
        own.dst_ip.get(at) == from.dst_ip.get(row)
            && own.dst_port.get(at) == from.dst_port.get(row)
            && own.protocol.get(at) == from.protocol.get(row)
            && hour(own.time.get(at)) == hour(from.time.get(row))
            && own.product.get(at) == Some(&product)
            && own.device.get(at) == Some(&device)
            && own.sensor.get(at) == from.sensor.get(row)
            && own.action.get(at) == from.action.get(row)
            && own.direction.get(at) == from.direction.get(row)
            && own.evidence.get(at) == from.evidence.get(row)
            && own.category.get(at) == from.category.get(row)
            && own.severity.get(at) == from.severity.get(row)
            && own.signature_id.get(at) == from.signature_id.get(row)
            && own.signature.get(at) == from.signature.get(row)
            && own.cve.get(at) == from.cve.get(row)
            && own.threat.get(at) == from.threat.get(row)
            && own.file_sha256.get(at) == from.file_sha256.get(row)
            && own.sender_domain.get(at) == from.sender_domain.get(row)
            && fits(own, at, from, row)
    }

    /// Let go of a source; gives its rows.
    fn take(&mut self, source: &Address) -> Vec<usize> {
        let rows = self.of(source).collect();
        self.newest.remove(source);
        rows
    }
}

#[derive(Default)]
pub struct Held {
    younger: Generation,
    older: Generation,
    /// Recalled and not yet sent, from `sent` on.
    recalled: Columns,
    sent: usize,
    devices: Vec<String>,
    products: Vec<String>,
}

impl Held {
    /// The number under which rows of a device are held.
    pub fn device(&mut self, name: &str) -> u32 {
        place(&mut self.devices, name)
    }

    /// Hold a row of a batch that came from `device`. Does its source scan?
    pub fn hold(&mut self, batch: &Batch, row: usize, device: u32, scanning: Scanning) -> bool {
        let from = &batch.columns;
        let (Some(&source), Some(&time)) = (from.src_ip.get(row), from.time.get(row)) else { return false };
        let code = from.product.get(row).copied().unwrap_or_default() as usize;
        let product = place(&mut self.products, batch.library.pack_names.get(code).map_or("", String::as_str));
        let same = self.younger.of(&source).find(|&at| self.younger.is_same(at, from, row, product, device));
        if let Some(at) = same {
            merge(&mut self.younger.rows, at, from, row);
            return false;
        }
        if self.younger.rows.len() >= MOST_ROWS {
            self.older = std::mem::take(&mut self.younger);
        }
        let at = u32::try_from(self.younger.rows.len()).unwrap_or(NONE);
        let newest = self.younger.newest.entry(source).or_insert((NONE, 0));
        if newest.1 >= MOST_OF_ONE {
            return false;
        }
        self.younger.before.push(newest.0);
        *newest = (at, newest.1 + 1);
        self.younger.rows.push_from(from, row, device);
        if let Some(last) = self.younger.rows.product.last_mut() {
            *last = product;
        }
        self.scans(&source, time, scanning)
    }

    fn scans(&self, source: &Address, time: i64, scanning: Scanning) -> bool {
        let (mut ports, mut addresses) = (Vec::new(), Vec::new());
        for generation in [&self.younger, &self.older] {
            for at in generation.of(source) {
                let last = generation.rows.last.get(at).copied().unwrap_or_default();
                if time.saturating_sub(last).saturating_abs() > scanning.ms {
                    continue;
                }
                if let Some(Some(port)) = generation.rows.dst_port.get(at)
                    && !ports.contains(port)
                {
                    ports.push(*port);
                }
                if let Some(address) = generation.rows.dst_ip.get(at)
                    && !addresses.contains(address)
                {
                    addresses.push(*address);
                }
            }
        }
        ports.len() >= scanning.ports || addresses.len() >= scanning.addresses
    }

    /// A source turned out suspicious at `time`: what it was let in to within `within` ms of that is to be sent after all.
    pub fn recall(&mut self, source: &Address, time: i64, within: i64) {
        for generation in [&mut self.older, &mut self.younger] {
            for at in generation.take(source) {
                let last = generation.rows.last.get(at).copied().unwrap_or_default();
                if time.saturating_sub(last).saturating_abs() <= within {
                    let device = generation.rows.device.get(at).copied().unwrap_or_default();
                    self.recalled.push_from(&generation.rows, at, device);
                }
            }
        }
    }

    /// As `recall`, for all sources that are suspicious by what somebody else knows.
    pub fn recall_all(&mut self, is_suspicious: &dyn Fn(&Address) -> bool) {
        let sources = self.younger.newest.keys().chain(self.older.newest.keys());
        let mut found: Vec<Address> = sources.filter(|source| is_suspicious(source)).copied().collect();
        found.sort_unstable();
        found.dedup();
        for source in found {
            self.recall(&source, 0, i64::MAX);
        }
    }

    /// Rows that are recalled and not yet in a summary.
    pub fn waiting(&self) -> usize {
        self.recalled.len() - self.sent
    }

    /// Put at most so many recalled rows into a summary. Gives how many lines of which device these are.
    pub fn send(&mut self, summary: &mut Summary, most: usize) -> Vec<(String, u64)> {
        let mut lines = vec![0; self.devices.len()];
        let end = self.recalled.len().min(self.sent.saturating_add(most));
        for row in self.sent..end {
            let device = self.recalled.device.get(row).copied().unwrap_or_default() as usize;
            let product = self.recalled.product.get(row).copied().unwrap_or_default() as usize;
            let names = (self.devices.get(device), self.products.get(product));
            let (Some(name), Some(product)) = names else { continue };
            // A product that the packs of today do not know any more has no name to be sent under.
            if let Some(count) = summary.add_known(&self.recalled, row, name, product)
                && let Some(sum) = lines.get_mut(device)
            {
                *sum += u64::from(count);
            }
        }
        self.sent = end;
        if self.waiting() == 0 {
            self.recalled = Columns::default();
            self.sent = 0;
        }
        self.devices.iter().cloned().zip(lines).filter(|(_, lines)| *lines > 0).collect()
    }
}

/// The place of a name in a table that grows; members have a handful of devices and products.
fn place(table: &mut Vec<String>, name: &str) -> u32 {
    let at = table.iter().position(|known| known == name).unwrap_or_else(|| {
        table.push(name.to_owned());
        table.len() - 1
    });
    u32::try_from(at).unwrap_or(NONE)
}
