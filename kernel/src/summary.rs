//! One row per minute and flow. Counts are exact: the sum of `count` over all rows is the number of lines added.

use crate::columns::Columns;
use crate::decode::{Batch, Outcome};
use crate::pack::Library;
use crate::told::Told;
use arrow_schema::ArrowError;
use hashbrown::HashMap;
use std::sync::Arc;

/// The length of a summary (design section 4.2: one minute).
const WINDOW: i64 = 60_000;

/// Rows by flow.
#[derive(Default)]
struct Table {
    columns: Columns,
    rows: HashMap<Box<[u8]>, u32>,
}

impl Table {
    /// Add a row under its key; into the row that has it, while that row's count has room.
    fn add(&mut self, key: &[u8], from: &Columns, row: usize, device: u32) {
        match self.rows.get(key) {
            Some(&at) if fits(&self.columns, at as usize, from, row) => merge(&mut self.columns, at as usize, from, row),
            _ => {
                let at = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
                self.columns.push_from(from, row, device);
                self.rows.insert(key.into(), at);
            }
        }
    }
}

/// Rows are gathered in two tables, so that those since the last checkpoint can be written down by themselves.
pub struct Summary {
    library: Arc<Library>,
    settled: Table,
    fresh: Table,
    devices: Vec<String>,
    key: Vec<u8>,
}

impl Summary {
    pub fn new(library: Arc<Library>) -> Self {
        Self { library, settled: Table::default(), fresh: Table::default(), devices: Vec::new(), key: Vec::new() }
    }

    /// Rows so far; flows that went on after the last checkpoint count twice until the next one.
    pub fn rows(&self) -> usize {
        self.settled.columns.len() + self.fresh.columns.len()
    }

    /// Add the kept rows of a batch, as of `device`. Gives how many lines that were.
    pub fn add(&mut self, batch: &Batch, device: &str) -> u64 {
        let device = place(&mut self.devices, device);
        let mut added = 0;
        for row in 0..batch.columns.len() {
            let line = batch.line_of_row.get(row).copied().unwrap_or_default() as usize;
            if batch.outcomes.get(line) == Some(&(Outcome::Kept as u8)) {
                self.add_row(&batch.columns, row, device);
                added += 1;
            }
        }
        added
    }

    /// Add a row whose product and device are known by name. Gives how many lines it stands for; None for a product that the packs
    /// do not know.
    pub fn add_known(&mut self, from: &Columns, row: usize, device: &str, product: &str) -> Option<u32> {
        let product = self.library.pack_names.iter().position(|name| name == product)?;
        let mut one = Columns::default();
        one.push_from(from, row, place(&mut self.devices, device));
        *one.product.last_mut()? = u32::try_from(product).ok()?;
        let device = one.device.last().copied()?;
        self.add_row(&one, 0, device);
        one.count.last().copied()
    }

    fn add_row(&mut self, from: &Columns, row: usize, device: u32) {
        self.key.clear();
        write_key(&mut self.key, from, row, device);
        self.fresh.add(&self.key, from, row, device);
    }

    /// What was added since the last checkpoint, as one Arrow IPC stream, and how many rows that is.
    pub fn checkpoint(&mut self) -> Result<(Vec<u8>, usize), ArrowError> {
        let ipc = self.fresh.columns.to_ipc(&self.library.pack_names, &self.devices, true)?;
        let rows = self.fresh.columns.len();
        self.settle();
        Ok((ipc, rows))
    }

    fn settle(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        if self.settled.rows.is_empty() {
            self.settled = fresh;
            return;
        }
        // In the order in which they came, so that the same lines always give the same bytes.
        for row in 0..fresh.columns.len() {
            let device = fresh.columns.device.get(row).copied().unwrap_or_default();
            self.key.clear();
            write_key(&mut self.key, &fresh.columns, row, device);
            self.settled.add(&self.key, &fresh.columns, row, device);
        }
    }

    /// Everything so far as one Arrow IPC stream, and how many rows that is; the summary is empty afterwards.
    pub fn drain(&mut self) -> Result<(Vec<u8>, usize), ArrowError> {
        self.settle();
        let ipc = self.settled.columns.to_ipc(&self.library.pack_names, &self.devices, true)?;
        let rows = self.settled.columns.len();
        self.settled = Table::default();
        self.devices.clear();
        Ok((ipc, rows))
    }
}

/// The streams of checkpoints as one, flow by flow, whatever packs they were read by; and how many rows that is.
pub fn joined(streams: &[&[u8]]) -> Result<(Vec<u8>, usize), ArrowError> {
    let (mut table, mut devices, mut products, mut key) = (Table::default(), Vec::new(), Vec::new(), Vec::new());
    for stream in streams {
        for mut told in Told::read(stream)? {
            for row in 0..told.columns.len() {
                let (device, product) = told.names(row);
                let (device, product) = (place(&mut devices, device), place(&mut products, product));
                if let Some(code) = told.columns.product.get_mut(row) {
                    *code = product;
                }
                key.clear();
                write_key(&mut key, &told.columns, row, device);
                table.add(&key, &told.columns, row, device);
            }
        }
    }
    Ok((table.columns.to_ipc(&products, &devices, true)?, table.columns.len()))
}

fn place(table: &mut Vec<String>, name: &str) -> u32 {
    let at = table.iter().position(|known| known == name).unwrap_or_else(|| {
        table.push(name.to_owned());
        table.len() - 1
    });
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Is there room for another row's count in this one's?
pub fn fits(into: &Columns, at: usize, from: &Columns, row: usize) -> bool {
    matches!((into.count.get(at), from.count.get(row)), (Some(own), Some(other)) if own.checked_add(*other).is_some())
}

/// What makes two lines the same flow: everything but times, counts and the source port.
fn write_key(key: &mut Vec<u8>, from: &Columns, row: usize, device: u32) {
    let time = from.time.get(row).copied().unwrap_or_default();
    key.extend_from_slice(&time.div_euclid(WINDOW).to_le_bytes());
    key.extend_from_slice(&device.to_le_bytes());
    key.extend_from_slice(&from.product.get(row).copied().unwrap_or_default().to_le_bytes());
    for column in [&from.sensor, &from.action, &from.direction, &from.protocol, &from.evidence, &from.category, &from.severity] {
        key.push(column.get(row).copied().unwrap_or_default());
    }
    for column in [&from.src_ip, &from.dst_ip] {
        key.extend_from_slice(column.get(row).map_or(&[][..], |address| address.as_slice()));
    }
    match from.dst_port.get(row).copied().flatten() {
        Some(port) => {
            key.push(1);
            key.extend_from_slice(&port.to_le_bytes());
        }
        None => key.push(0),
    }
    for column in [&from.signature_id, &from.signature, &from.cve, &from.threat, &from.sender_domain] {
        let text = column.get(row).as_bytes();
        key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        key.extend_from_slice(text);
    }
    if let Some(Some(hash)) = from.file_sha256.get(row) {
        key.extend_from_slice(hash);
    }
}

/// Add one row to another of the same flow.
pub fn merge(into: &mut Columns, at: usize, from: &Columns, row: usize) {
    if let (Some(first), Some(other)) = (into.time.get_mut(at), from.time.get(row)) {
        *first = (*first).min(*other);
    }
    if let (Some(last), Some(other)) = (into.last.get_mut(at), from.last.get(row)) {
        *last = (*last).max(*other);
    }
    if let (Some(count), Some(other)) = (into.count.get_mut(at), from.count.get(row)) {
        *count = count.saturating_add(*other);
    }
    if let (Some(port), Some(other)) = (into.src_port.get_mut(at), from.src_port.get(row))
        && port != other
    {
        *port = None;
    }
    let sums = [(&mut into.bytes_in, &from.bytes_in), (&mut into.bytes_out, &from.bytes_out), (&mut into.packets, &from.packets)];
    for (sum, other) in sums {
        if let (Some(sum), Some(Some(other))) = (sum.get_mut(at), other.get(row)) {
            *sum = Some(sum.unwrap_or(0).saturating_add(*other));
        }
    }
}
