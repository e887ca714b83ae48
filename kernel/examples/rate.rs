//! Lines a second on one core: `cargo run --release --example rate -- PACKS.json FILE…`, for profiling.

use _kernel::{Context, Decoder, Library, Specification};
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let packs = std::fs::read_to_string(arguments.next().ok_or("needs packs as JSON")?)?;
    let packed = Specification::from_json(&packs)?.pack()?;
    let began = Instant::now();
    let library = Arc::new(Library::lazily(Specification::unpack(&packed)?)?);
    println!("{} bytes of packs loaded in {:.1} ms", packed.len(), began.elapsed().as_secs_f64() * 1000.0);
    for file in arguments {
        let buffer = std::fs::read(&file)?;
        let context = Context { reference: 1_795_150_000_000, offset: 0 };
        let mut fastest = f64::INFINITY;
        let mut lines = 0;
        for _ in 0..std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(15) {
            let began = Instant::now();
            let batch = Decoder::new(&library, context).decode(&buffer);
            fastest = fastest.min(began.elapsed().as_secs_f64());
            lines = batch.outcomes.len();
        }
        println!("{file}: {lines} lines, {:.0} lines/s, {:.0} ns a line", lines as f64 / fastest, fastest * 1e9 / lines as f64);
    }
    Ok(())
}
