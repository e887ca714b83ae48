//! Events by column, and their way into Arrow. The order is `core/schema.toml`'s.

use crate::event::Row;
use crate::value::Address;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use std::sync::Arc;

/// Texts one after the other, without an allocation each.
#[derive(Default)]
pub struct Texts {
    ends: Vec<u32>,
    bytes: String,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub fn get(&self, row: usize) -> &str {
        let end = self.ends.get(row).copied().unwrap_or(0) as usize;
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0) as usize;
        self.bytes.get(start..end).unwrap_or_default()
    }
}

#[derive(Default)]
pub struct Columns {
    /// ms since 1970 UTC; the time of receipt where the line has none.
    pub time: Vec<i64>,
    pub last: Vec<i64>,
    pub time_said: Vec<bool>,
    pub count: Vec<u32>,
    pub sensor: Vec<u8>,
    pub product: Vec<u32>,
    pub device: Vec<u32>,
    pub action: Vec<u8>,
    pub direction: Vec<u8>,
    pub src_ip: Vec<Address>,
    pub dst_ip: Vec<Address>,
    pub src_port: Vec<Option<u16>>,
    pub dst_port: Vec<Option<u16>>,
    pub protocol: Vec<u8>,
    pub bytes_in: Vec<Option<u64>>,
    pub bytes_out: Vec<Option<u64>>,
    pub packets: Vec<Option<u64>>,
    pub evidence: Vec<u8>,
    pub signature_id: Texts,
    pub signature: Texts,
    pub category: Vec<u8>,
    pub severity: Vec<u8>,
    /// CVE numbers joined by a space.
    pub cve: Texts,
    pub threat: Texts,
    pub file_sha256: Vec<Option<[u8; 32]>>,
    /// Empty: none.
    pub sender_domain: Texts,
    /// For the sieve only: the line tells the end of what another has told.
    pub again: Vec<bool>,
}

impl Columns {
    pub fn len(&self) -> usize {
        self.time.len()
    }

    pub fn push(&mut self, row: &Row, product: u32, received: i64) {
        let time = row.time.unwrap_or(received);
        self.time.push(time);
        self.last.push(time);
        self.time_said.push(row.time.is_some());
        self.count.push(1);
        self.again.push(row.again);
        self.sensor.push(row.sensor);
        self.product.push(product);
        self.device.push(0);
        self.action.push(row.action);
        self.direction.push(row.direction);
        self.src_ip.push(row.src_ip);
        self.dst_ip.push(row.dst_ip);
        self.src_port.push(row.src_port);
        self.dst_port.push(row.dst_port);
        self.protocol.push(row.protocol);
        self.bytes_in.push(row.bytes_in);
        self.bytes_out.push(row.bytes_out);
        self.packets.push(row.packets);
        self.evidence.push(row.evidence);
        self.signature_id.push(&row.signature_id);
        self.signature.push(&row.signature);
        self.category.push(row.category);
        self.severity.push(row.severity);
        match row.cve.is_empty() {
            true => self.cve.push(""),
            false => self.cve.push(&row.cve.join(" ")),
        }
        self.threat.push(&row.threat);
        self.file_sha256.push(row.file_sha256);
        self.sender_domain.push(row.sender_domain.as_deref().unwrap_or_default());
    }

    /// Copy one row of another set, as of device `device`.
    pub fn push_from(&mut self, other: &Self, row: usize, device: u32) {
        macro_rules! copy {
            ($($column:ident),*) => { $(if let Some(value) = other.$column.get(row) { self.$column.push(*value); })* };
        }
        copy!(time, last, time_said, count, sensor, product, action, direction, src_ip, dst_ip, src_port, dst_port);
        copy!(protocol, bytes_in, bytes_out, packets, evidence, category, severity, file_sha256);
        self.device.push(device);
        self.signature_id.push(other.signature_id.get(row));
        self.signature.push(other.signature.get(row));
        self.cve.push(other.cve.get(row));
        self.threat.push(other.threat.get(row));
        self.sender_domain.push(other.sender_domain.get(row));
    }

    /// The event schema as an Arrow record batch.
    fn to_arrow(&self, product: &[u32], products: &[String], devices: &[String]) -> Result<RecordBatch, ArrowError> {
        let time =
            |values: &[i64]| -> ArrayRef { Arc::new(TimestampMillisecondArray::from(values.to_vec()).with_timezone("UTC")) };
        let small = |values: &[u8]| -> ArrayRef { Arc::new(UInt8Array::from(values.to_vec())) };
        let port = |values: &[Option<u16>]| -> ArrayRef { Arc::new(UInt16Array::from(values.to_vec())) };
        let large = |values: &[Option<u64>]| -> ArrayRef { Arc::new(UInt64Array::from(values.to_vec())) };
        let columns: Vec<ArrayRef> = vec![
            time(&self.time),
            time(&self.last),
            Arc::new(UInt32Array::from(self.count.clone())),
            small(&self.sensor),
            names(product, products)?,
            names(&self.device, devices)?,
            small(&self.action),
            small(&self.direction),
            addresses(&self.src_ip)?,
            addresses(&self.dst_ip)?,
            port(&self.src_port),
            port(&self.dst_port),
            small(&self.protocol),
            large(&self.bytes_in),
            large(&self.bytes_out),
            large(&self.packets),
            small(&self.evidence),
            texts(&self.signature_id)?,
            texts(&self.signature)?,
            small(&self.category),
            small(&self.severity),
            lists(&self.cve),
            texts(&self.threat)?,
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(self.file_sha256.iter().copied(), 32)?),
            optional_texts(&self.sender_domain),
        ];
        RecordBatch::try_new(Arc::new(arrow_schema()), columns)
    }

    /// One Arrow IPC stream, zstd-compressed if it is to travel.
    pub fn to_ipc(&self, products: &[String], devices: &[String], travels: bool) -> Result<Vec<u8>, ArrowError> {
        let (codes, used) = used_only(&self.product, products);
        let batch = self.to_arrow(&codes, &used, devices)?;
        let options = IpcWriteOptions::default().try_with_compression(travels.then_some(CompressionType::ZSTD))?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
        writer.write(&batch)?;
        writer.into_inner()
    }
}

/// Codes for a table of only those names that are used: there are hundreds of products, and a bundle holds a handful.
fn used_only(codes: &[u32], names: &[String]) -> (Vec<u32>, Vec<String>) {
    let mut place = vec![u32::MAX; names.len()];
    let mut used = Vec::new();
    let recoded = codes.iter().map(|&code| match place.get_mut(code as usize) {
        Some(place) => {
            if *place == u32::MAX {
                *place = u32::try_from(used.len()).unwrap_or(u32::MAX);
                used.extend(names.get(code as usize).cloned());
            }
            *place
        }
        None => u32::MAX,
    });
    (recoded.collect(), used)
}

fn names(codes: &[u32], known: &[String]) -> Result<ArrayRef, ArrowError> {
    let keys = Int32Array::from_iter_values(codes.iter().map(|&code| i32::try_from(code).unwrap_or(i32::MAX)));
    let values = StringArray::from_iter_values(known);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values))?))
}

fn addresses(values: &[Address]) -> Result<ArrayRef, ArrowError> {
    match values.is_empty() {
        true => Ok(arrow_array::new_empty_array(&DataType::FixedSizeBinary(16))),
        false => Ok(Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_slice_ref(values.as_flattened()), None)?)),
    }
}

fn texts(values: &Texts) -> Result<ArrayRef, ArrowError> {
    let ends = values.ends.iter().map(|&end| i32::try_from(end).map_err(|_| ArrowError::OffsetOverflowError(end as usize)));
    let offsets = std::iter::once(Ok(0)).chain(ends).collect::<Result<Vec<i32>, ArrowError>>()?;
    let bytes = Buffer::from_slice_ref(values.bytes.as_bytes());
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes, None)?))
}

fn optional_texts(values: &Texts) -> ArrayRef {
    let some = (0..values.ends.len()).map(|row| Some(values.get(row)).filter(|text| !text.is_empty()));
    Arc::new(some.collect::<StringArray>())
}

fn lists(values: &Texts) -> ArrayRef {
    let item = Field::new("item", DataType::Utf8, false);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in 0..values.ends.len() {
        for text in values.get(row).split(' ').filter(|text| !text.is_empty()) {
            builder.values().append_value(text);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

pub fn arrow_schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let name = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, false)));
    let field = |name: &str, kind: DataType| Field::new(name, kind, false);
    let optional = |name: &str, kind: DataType| Field::new(name, kind, true);
    Schema::new(vec![
        field("time", time()),
        field("last", time()),
        field("count", DataType::UInt32),
        field("sensor", DataType::UInt8),
        field("product", name()),
        field("device", name()),
        field("action", DataType::UInt8),
        field("direction", DataType::UInt8),
        field("src_ip", DataType::FixedSizeBinary(16)),
        field("dst_ip", DataType::FixedSizeBinary(16)),
        optional("src_port", DataType::UInt16),
        optional("dst_port", DataType::UInt16),
        field("protocol", DataType::UInt8),
        optional("bytes_in", DataType::UInt64),
        optional("bytes_out", DataType::UInt64),
        optional("packets", DataType::UInt64),
        field("evidence", DataType::UInt8),
        field("signature_id", DataType::Utf8),
        field("signature", DataType::Utf8),
        field("category", DataType::UInt8),
        field("severity", DataType::UInt8),
        field("cve", list),
        field("threat", DataType::Utf8),
        optional("file_sha256", DataType::FixedSizeBinary(32)),
        optional("sender_domain", DataType::Utf8),
    ])
}
