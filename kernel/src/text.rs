//! Events and explanations as JSON text, for people and for other programs.

use crate::columns::Columns;
use crate::decode::{Batch, NO_PRODUCT, Observer};
use crate::event::Schema;
use crate::header::Header;
use crate::pack::{Kind, Line};
use crate::syntax::{Slots, Split};
use crate::value::{Address, NO_ADDRESS, UNKNOWN_PROTOCOL, protocol_name};
use serde_json::{Map, Value, json};
use std::net::Ipv6Addr;

const OUTCOME_NAMES: [&str; crate::decode::OUTCOMES] =
    ["kept", "routine", "internal", "outbound", "trusted", "noise", "unrecognised", "malformed", "overflow"];

pub fn outcome_name(code: u8) -> &'static str {
    OUTCOME_NAMES.get(usize::from(code)).copied().unwrap_or("overflow")
}

fn address(value: &Address) -> String {
    let parsed = Ipv6Addr::from(*value);
    parsed.to_ipv4_mapped().map_or_else(|| parsed.to_string(), |v4| v4.to_string())
}

/// RFC 3339 in UTC, with milliseconds.
pub fn timestamp(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    // Civil from days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms.rem_euclid(1000))
}

/// One row as field names and values; absent fields are left out.
pub fn event(columns: &Columns, row: usize, schema: &Schema) -> Map<String, Value> {
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| {
        event.insert(name.to_owned(), value);
    };
    if columns.time_said.get(row) == Some(&true) {
        put("time", json!(timestamp(columns.time.get(row).copied().unwrap_or_default())));
    }
    let code = |column: &Vec<u8>| column.get(row).copied().unwrap_or_default();
    put("sensor", json!(schema.sensor.name(code(&columns.sensor))));
    put("action", json!(schema.action.name(code(&columns.action))));
    if code(&columns.direction) != 0 {
        put("direction", json!(schema.direction.name(code(&columns.direction))));
    }
    for (name, column) in [("src_ip", &columns.src_ip), ("dst_ip", &columns.dst_ip)] {
        if let Some(value) = column.get(row).filter(|value| **value != NO_ADDRESS) {
            put(name, json!(address(value)));
        }
    }
    for (name, column) in [("src_port", &columns.src_port), ("dst_port", &columns.dst_port)] {
        if let Some(Some(port)) = column.get(row) {
            put(name, json!(port));
        }
    }
    let protocol = code(&columns.protocol);
    if protocol != UNKNOWN_PROTOCOL {
        put("protocol", protocol_name(protocol).map_or_else(|| json!(protocol), |name| json!(name)));
    }
    for (name, column) in [("bytes_in", &columns.bytes_in), ("bytes_out", &columns.bytes_out), ("packets", &columns.packets)] {
        if let Some(Some(value)) = column.get(row) {
            put(name, json!(value));
        }
    }
    if code(&columns.evidence) != 0 {
        put("evidence", json!(schema.evidence.name(code(&columns.evidence))));
    }
    for (name, column) in [
        ("signature_id", &columns.signature_id),
        ("signature", &columns.signature),
        ("threat", &columns.threat),
        ("sender_domain", &columns.sender_domain),
    ] {
        let text = column.get(row);
        if !text.is_empty() {
            put(name, json!(text));
        }
    }
    if code(&columns.category) != 0 {
        put("category", json!(schema.category.name(code(&columns.category))));
    }
    if code(&columns.severity) != 0 {
        put("severity", json!(code(&columns.severity)));
    }
    let cve = columns.cve.get(row);
    if !cve.is_empty() {
        put("cve", json!(cve.split(' ').collect::<Vec<_>>()));
    }
    if let Some(Some(hash)) = columns.file_sha256.get(row) {
        put("file_sha256", json!(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    event
}

/// One JSON object a line: its number (from `first`), outcome, product and event.
pub fn jsonl(batch: &Batch, first: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(batch.outcomes.len() * 96);
    let mut row = 0;
    for (line, &outcome) in batch.outcomes.iter().enumerate() {
        let mut object = Map::new();
        object.insert("line".to_owned(), json!(first + line as u64));
        object.insert("outcome".to_owned(), json!(outcome_name(outcome)));
        if let Some(&product) = batch.products.get(line).filter(|product| **product != NO_PRODUCT) {
            object.insert("product".to_owned(), json!(batch.library.pack_names.get(product as usize)));
        }
        if batch.line_of_row.get(row).is_some_and(|&of| of as usize == line) {
            object.insert("event".to_owned(), Value::Object(event(&batch.columns, row, &batch.library.schema)));
            row += 1;
        }
        // Writing JSON to memory cannot fail; a line that could not be written would be missing and seen.
        if serde_json::to_writer(&mut text, &object).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

/// Notes each step of one line's way.
pub struct Explain<'l> {
    pub steps: Vec<Value>,
    pub pack_names: &'l [String],
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Observer for Explain<'_> {
    fn header(&mut self, header: &Header) {
        self.steps.push(json!({
            "step": "header", "time": header.time.map(timestamp), "host": show(header.host), "program": show(header.program),
            "message_may_begin_at": header.starts.to_vec(),
        }));
    }

    fn candidate(&mut self, line: &Line) {
        self.steps.push(json!({"step": "candidate", "pack": self.pack_names.get(line.pack), "line": line.name}));
    }

    fn split(&mut self, line: &Line, slots: &Slots, split: Split) {
        let values: Map<String, Value> = line
            .names
            .iter()
            .enumerate()
            .filter_map(|(slot, name)| Some((name.clone(), json!(show(slots.get(slot)?)))))
            .collect();
        let whole = split == Split::Whole;
        let pack = self.pack_names.get(line.pack);
        self.steps.push(json!({"step": "split", "pack": pack, "line": line.name, "whole": whole, "values": values}));
    }

    fn kind(&mut self, line: &Line, kind: &Kind, slots: &Slots) {
        let fields: Map<String, Value> = kind
            .assigns
            .iter()
            .filter_map(|assign| {
                let value = assign.source(slots)?;
                Some((format!("{:?}", assign.target), json!(show(&value))))
            })
            .collect();
        let pack = self.pack_names.get(line.pack);
        self.steps.push(
            json!({"step": "meaning", "pack": pack, "line": line.name, "kind": kind.name, "noise": kind.noise, "from": fields}),
        );
    }

    fn note(&mut self, text: &str) {
        self.steps.push(json!({"step": "note", "text": text}));
    }
}
