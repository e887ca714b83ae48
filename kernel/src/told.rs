//! Events read back from an Arrow IPC stream that this kernel wrote: for the member who wants to see what was sent, and for what a
//! crash left behind. Any other stream is an error.

use crate::columns::{Columns, arrow_schema};
use crate::event::Schema;
use crate::text;
use crate::value::Address;
use arrow_array::types::{Int32Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, DictionaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray};
use arrow_array::{RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use serde_json::{Value, json};

pub struct Told {
    pub columns: Columns,
    /// The products that rows name by number, before anybody renumbers them.
    product: Vec<u32>,
    products: Vec<String>,
    devices: Vec<String>,
}

impl Told {
    /// One for each record batch of a stream.
    pub fn read(ipc: &[u8]) -> Result<Vec<Self>, ArrowError> {
        let reader = StreamReader::try_new(ipc, None)?;
        if *reader.schema() != arrow_schema() {
            return Err(ArrowError::SchemaError("these are no events of ours".to_owned()));
        }
        reader.map(|batch| Self::from_batch(&batch?)).collect()
    }

    fn from_batch(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let of = |name: &str| -> Result<&ArrayRef, ArrowError> {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))
        };
        let (product, products) = names(of("product")?)?;
        let (device, devices) = names(of("device")?)?;
        let mut columns = Columns {
            time: plain::<TimestampMillisecondType>(of("time")?)?,
            last: plain::<TimestampMillisecondType>(of("last")?)?,
            time_said: vec![true; batch.num_rows()],
            count: plain::<UInt32Type>(of("count")?)?,
            sensor: plain::<UInt8Type>(of("sensor")?)?,
            product: product.clone(),
            device,
            action: plain::<UInt8Type>(of("action")?)?,
            direction: plain::<UInt8Type>(of("direction")?)?,
            src_ip: addresses(of("src_ip")?)?,
            dst_ip: addresses(of("dst_ip")?)?,
            src_port: optional::<UInt16Type>(of("src_port")?)?,
            dst_port: optional::<UInt16Type>(of("dst_port")?)?,
            protocol: plain::<UInt8Type>(of("protocol")?)?,
            bytes_in: optional::<UInt64Type>(of("bytes_in")?)?,
            bytes_out: optional::<UInt64Type>(of("bytes_out")?)?,
            packets: optional::<UInt64Type>(of("packets")?)?,
            evidence: plain::<UInt8Type>(of("evidence")?)?,
            category: plain::<UInt8Type>(of("category")?)?,
            severity: plain::<UInt8Type>(of("severity")?)?,
            again: vec![false; batch.num_rows()],
            ..Columns::default()
        };
        let hashes: &FixedSizeBinaryArray = cast(of("file_sha256")?)?;
        columns.file_sha256 = hashes.iter().map(|hash| hash.and_then(|hash| hash.try_into().ok())).collect();
        let lists: &ListArray = cast(of("cve")?)?;
        for list in lists.iter() {
            let numbers: Vec<String> = match &list {
                Some(list) => cast::<StringArray>(list)?.iter().flatten().map(str::to_owned).collect(),
                None => Vec::new(),
            };
            columns.cve.push(&numbers.join(" "));
        }
        let texts = [
            ("signature_id", &mut columns.signature_id),
            ("signature", &mut columns.signature),
            ("threat", &mut columns.threat),
            ("sender_domain", &mut columns.sender_domain),
        ];
        for (name, column) in texts {
            cast::<StringArray>(of(name)?)?.iter().for_each(|text| column.push(text.unwrap_or_default()));
        }
        Ok(Self { columns, product, products, devices })
    }

    /// The device and the product of a row.
    pub fn names(&self, row: usize) -> (&str, &str) {
        (named(&self.columns.device, &self.devices, row), named(&self.product, &self.products, row))
    }

    /// One JSON object for each row, with names and addresses as text.
    pub fn jsonl(&self, schema: &Schema) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.columns.len() * 256);
        for row in 0..self.columns.len() {
            let (device, product) = self.names(row);
            let mut event = text::event(&self.columns, row, schema);
            event.insert("last".to_owned(), json!(text::timestamp(self.columns.last.get(row).copied().unwrap_or_default())));
            event.insert("count".to_owned(), json!(self.columns.count.get(row)));
            event.insert("device".to_owned(), json!(device));
            event.insert("product".to_owned(), json!(product));
            if serde_json::to_writer(&mut out, &Value::Object(event)).is_ok() {
                out.push(b'\n');
            }
        }
        out
    }
}

fn named<'n>(codes: &[u32], names: &'n [String], row: usize) -> &'n str {
    codes.get(row).and_then(|&code| names.get(code as usize)).map_or("", String::as_str)
}

fn cast<T: 'static>(array: &ArrayRef) -> Result<&T, ArrowError> {
    array.as_any().downcast_ref().ok_or_else(|| ArrowError::CastError("a column is of another type".to_owned()))
}

fn plain<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<Vec<T::Native>, ArrowError> {
    Ok(cast::<PrimitiveArray<T>>(array)?.values().to_vec())
}

fn optional<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<Vec<Option<T::Native>>, ArrowError> {
    Ok(cast::<PrimitiveArray<T>>(array)?.iter().collect())
}

fn addresses(array: &ArrayRef) -> Result<Vec<Address>, ArrowError> {
    let wrong = || ArrowError::CastError("an address is not of 16 bytes".to_owned());
    cast::<FixedSizeBinaryArray>(array)?
        .iter()
        .map(|value| value.and_then(|value| value.try_into().ok()).ok_or_else(wrong))
        .collect()
}

fn names(array: &ArrayRef) -> Result<(Vec<u32>, Vec<String>), ArrowError> {
    let dictionary: &DictionaryArray<Int32Type> = cast(array)?;
    let codes = dictionary.keys().values().iter().map(|&code| u32::try_from(code).unwrap_or(u32::MAX)).collect();
    let values: &StringArray = cast(dictionary.values())?;
    Ok((codes, values.iter().map(|name| name.unwrap_or_default().to_owned()).collect()))
}
