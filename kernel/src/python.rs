//! What Python sees: `Packs`, `Batch`, `Sieve`, `Summary`. Thin; every decision is elsewhere. Typed in `_kernel.pyi`.

use crate::decode::{Batch, Decoder, OUTCOMES};
use crate::hosts;
use crate::pack::Library;
use crate::sieve::{Sieve, networks};
use crate::spec;
use crate::summary::{self, Summary};
use crate::text;
use crate::time::Context;
use crate::told::Told;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;
use std::sync::Arc;

#[pyclass(frozen, name = "Packs")]
struct PyPacks {
    library: Arc<Library>,
}

#[pymethods]
impl PyPacks {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        let library = spec::Library::from_json(text).and_then(Library::compile).map_err(PyValueError::new_err)?;
        Ok(Self { library: Arc::new(library) })
    }

    /// The loader's JSON in a form that loads in a moment; checks it as `new` does.
    #[staticmethod]
    fn pack<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyBytes>> {
        let packed = spec::Library::from_json(text).and_then(|spec| {
            let packed = spec.pack()?;
            Library::compile(spec)?;
            Ok(packed)
        });
        Ok(PyBytes::new(py, &packed.map_err(PyValueError::new_err)?))
    }

    /// From `pack`'s bytes. Lines are compiled when they are first met.
    #[staticmethod]
    fn unpack(bytes: &[u8]) -> PyResult<Self> {
        let library = spec::Library::unpack(bytes).and_then(Library::lazily).map_err(PyValueError::new_err)?;
        Ok(Self { library: Arc::new(library) })
    }

    #[pyo3(signature = (buffer, *, received_ms, utc_offset_s = 0))]
    fn decode(&self, py: Python, buffer: &[u8], received_ms: i64, utc_offset_s: i32) -> PyBatch {
        let context = Context { reference: received_ms, offset: utc_offset_s };
        let library = &self.library;
        let batch = py.detach(|| Decoder::new(library, context).decode(buffer));
        PyBatch { batch }
    }

    /// The names of all packs that would take a line, in the order in which they are asked.
    #[pyo3(signature = (line, *, received_ms))]
    fn claims(&self, line: &[u8], received_ms: i64) -> Vec<String> {
        let packs = Decoder::new(&self.library, Context { reference: received_ms, offset: 0 }).claims(line);
        packs.into_iter().filter_map(|pack| self.library.pack_names.get(pack).cloned()).collect()
    }

    #[pyo3(signature = (line, *, received_ms, utc_offset_s = 0))]
    fn explain(&self, line: &[u8], received_ms: i64, utc_offset_s: i32) -> String {
        let context = Context { reference: received_ms, offset: utc_offset_s };
        let mut decoder = Decoder::new(&self.library, context);
        let mut batch = decoder.decode(b"");
        let mut explain = text::Explain { steps: Vec::new(), pack_names: &self.library.pack_names };
        let outcome = decoder.line(line, &mut batch, &mut explain);
        let event = (batch.columns.len() > 0).then(|| text::event(&batch.columns, 0, &self.library.schema));
        let product = batch.products.first().and_then(|&pack| self.library.pack_names.get(pack as usize));
        json!({"outcome": text::outcome_name(outcome as u8), "product": product, "event": event, "steps": explain.steps})
            .to_string()
    }
}

#[pyclass(name = "Batch")]
struct PyBatch {
    batch: Batch,
}

#[pymethods]
impl PyBatch {
    #[getter]
    fn lines(&self) -> usize {
        self.batch.outcomes.len()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.batch.columns.len()
    }

    #[getter]
    fn absurd_times(&self) -> u64 {
        self.batch.absurd_times
    }

    /// An outcome code for each line.
    #[getter]
    fn outcomes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.batch.outcomes)
    }

    /// How many lines had each outcome, in the order of the codes.
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; OUTCOMES];
        for &outcome in &self.batch.outcomes {
            if let Some(count) = counts.get_mut(usize::from(outcome)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many lines each pack knew.
    fn products(&self) -> Vec<(String, u64)> {
        let names = &self.batch.library.pack_names;
        let mut counts = vec![0; names.len()];
        for &product in &self.batch.products {
            if let Some(count) = counts.get_mut(product as usize) {
                *count += 1;
            }
        }
        names.iter().cloned().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    fn jsonl<'py>(&self, py: Python<'py>, first: u64) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| text::jsonl(&self.batch, first)))
    }

    /// All decoded rows, whatever their outcome, as an Arrow IPC stream without compression: it goes no further than this machine.
    fn to_ipc<'py>(&self, py: Python<'py>, device: &str) -> PyResult<Bound<'py, PyBytes>> {
        let ipc = self.batch.columns.to_ipc(&self.batch.library.pack_names, &[device.to_owned()], false);
        Ok(PyBytes::new(py, &ipc.map_err(arrow_failed)?))
    }
}

fn arrow_failed(error: arrow_schema::ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

#[pyclass(name = "Sieve")]
struct PySieve {
    sieve: Sieve,
}

#[pymethods]
impl PySieve {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        Ok(Self { sieve: Sieve::compile(text).map_err(PyValueError::new_err)? })
    }

    #[pyo3(signature = (batch, device = ""))]
    fn apply(&mut self, py: Python, batch: &mut PyBatch, device: &str) {
        py.detach(|| self.sieve.apply(&mut batch.batch, device));
    }

    /// The sources that are listed from now on, as ranges of first and last address, 32 hexadecimal digits each.
    fn list_sources(&mut self, py: Python, ranges: Vec<(String, String)>) -> PyResult<()> {
        py.detach(|| networks(&ranges).map(|listed| self.sieve.list(listed))).map_err(PyValueError::new_err)
    }

    /// Rows that were recalled and wait to be sent.
    #[getter]
    fn recalled(&mut self) -> usize {
        self.sieve.held().waiting()
    }

    /// As `apply`; gives the name of the rule that decided for each row.
    fn explain(&mut self, batch: &mut PyBatch) -> Vec<String> {
        let deciding = self.sieve.apply(&mut batch.batch, "");
        deciding.into_iter().map(|rule| self.sieve.rule_name(rule).to_owned()).collect()
    }
}

#[pyclass(name = "Summary")]
struct PySummary {
    summary: Summary,
}

#[pymethods]
impl PySummary {
    #[new]
    fn new(packs: &PyPacks) -> Self {
        Self { summary: Summary::new(Arc::clone(&packs.library)) }
    }

    fn add(&mut self, py: Python, batch: &PyBatch, device: &str) -> u64 {
        py.detach(|| self.summary.add(&batch.batch, device))
    }

    /// Add at most so many recalled rows of a sieve. Gives how many lines of which device.
    fn recall(&mut self, py: Python, sieve: &mut PySieve, most: usize) -> Vec<(String, u64)> {
        py.detach(|| sieve.sieve.held().send(&mut self.summary, most))
    }

    /// The rows since the last checkpoint, as `drain` gives them; they stay in the summary.
    fn checkpoint<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let (ipc, rows) = py.detach(|| self.summary.checkpoint()).map_err(arrow_failed)?;
        Ok((PyBytes::new(py, &ipc), rows))
    }

    #[getter]
    fn rows(&self) -> usize {
        self.summary.rows()
    }

    fn drain<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let (ipc, rows) = py.detach(|| self.summary.drain()).map_err(arrow_failed)?;
        Ok((PyBytes::new(py, &ipc), rows))
    }
}

/// The events of a summary's stream, one JSON object a line. `schema` is the loader's, as JSON.
#[pyfunction]
fn events<'py>(py: Python<'py>, ipc: &[u8], schema: &str) -> PyResult<Bound<'py, PyBytes>> {
    let schema = serde_json::from_str(schema).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let told = py.detach(|| Told::read(ipc)).map_err(not_ours)?;
    let text = py.detach(|| told.iter().flat_map(|told| told.jsonl(&schema)).collect::<Vec<u8>>());
    Ok(PyBytes::new(py, &text))
}

/// A buffer's lines by the host that their headers name. One alone has no lines: they are the whole buffer.
#[pyfunction]
fn by_host<'py>(py: Python<'py>, buffer: &[u8]) -> Vec<(String, Bound<'py, PyBytes>)> {
    let found = py.detach(|| hosts::by_host(buffer));
    found.into_iter().map(|(host, lines)| (host, PyBytes::new(py, &lines))).collect()
}

/// The streams of checkpoints as one, and how many rows that is.
#[pyfunction]
fn joined<'py>(py: Python<'py>, streams: Vec<Bound<'py, PyBytes>>) -> PyResult<(Bound<'py, PyBytes>, usize)> {
    let streams: Vec<&[u8]> = streams.iter().map(|stream| stream.as_bytes()).collect();
    let (ipc, rows) = py.detach(|| summary::joined(&streams)).map_err(not_ours)?;
    Ok((PyBytes::new(py, &ipc), rows))
}

fn not_ours(error: arrow_schema::ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymodule]
fn _kernel(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_class::<PyPacks>()?;
    module.add_class::<PyBatch>()?;
    module.add_class::<PySieve>()?;
    module.add_function(wrap_pyfunction!(events, module)?)?;
    module.add_function(wrap_pyfunction!(by_host, module)?)?;
    module.add_function(wrap_pyfunction!(joined, module)?)?;
    module.add_class::<PySummary>()
}
