//! One row per minute and flow. Counts are exact: the sum of `count` over all rows is the number of lines added.

use crate::columns::Columns;
use crate::decode::{Batch, Outcome};
use crate::pack::Library;
use hashbrown::HashMap;
use std::sync::Arc;

/// The length of a summary (design section 4.2: one minute).
const WINDOW: i64 = 60_000;

pub struct Summary {
    library: Arc<Library>,
    columns: Columns,
    rows: HashMap<Box<[u8]>, u32>,
    devices: Vec<String>,
    key: Vec<u8>,
}

impl Summary {
    pub fn new(library: Arc<Library>) -> Self {
        Self { library, columns: Columns::default(), rows: HashMap::new(), devices: Vec::new(), key: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.columns.len()
    }

    /// Add the kept rows of a batch, as of `device`. Gives how many lines that were.
    pub fn add(&mut self, batch: &Batch, device: &str) -> u64 {
        let device = self.device(device);
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

    fn device(&mut self, name: &str) -> u32 {
        let at = self.devices.iter().position(|known| known == name).unwrap_or_else(|| {
            self.devices.push(name.to_owned());
            self.devices.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn add_row(&mut self, from: &Columns, row: usize, device: u32) {
        self.key.clear();
        write_key(&mut self.key, from, row, device);
        match self.rows.get(self.key.as_slice()) {
            Some(&at) if !is_full(&self.columns, at as usize) => merge(&mut self.columns, at as usize, from, row),
            _ => {
                let at = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
                self.columns.push_from(from, row, device);
                self.rows.insert(self.key.as_slice().into(), at);
            }
        }
    }

    /// Everything so far as one Arrow IPC stream, and how many rows that is; the summary is empty afterwards.
    pub fn drain(&mut self) -> Result<(Vec<u8>, usize), arrow_schema::ArrowError> {
        let ipc = self.columns.to_ipc(&self.library.pack_names, &self.devices, true)?;
        let rows = self.columns.len();
        self.columns = Columns::default();
        self.rows.clear();
        self.devices.clear();
        Ok((ipc, rows))
    }
}

fn is_full(columns: &Columns, row: usize) -> bool {
    columns.count.get(row).is_none_or(|&count| count == u32::MAX)
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

fn merge(into: &mut Columns, at: usize, from: &Columns, row: usize) {
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
