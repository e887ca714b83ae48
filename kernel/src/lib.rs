//! CyberAlarm's kernel: log lines in, Arrow out.
//!
//! Promises: bytes from outside never stop it (no panics, no unbounded memory or time), every line gets exactly one outcome, and a
//! text inside a value never becomes another field. It knows syntaxes, not vendors: those are packs, handed over as JSON.

mod columns;
mod decode;
mod event;
mod header;
mod held;
mod hosts;
mod mapping;
mod needle;
mod network;
mod opening;
mod pack;
mod python;
mod recognise;
mod repeated;
mod sieve;
mod spec;
mod summary;
mod syntax;
mod text;
mod time;
mod told;
mod value;
mod words;

pub use decode::{Batch, Decoder, lines};
pub use pack::Library;
pub use spec::Library as Specification;
pub use text::jsonl;
pub use time::Context;
