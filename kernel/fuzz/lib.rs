//! What must hold for arbitrary bytes in every syntax: each line has exactly one outcome, a row exists for each kept line and no
//! other, and a line means the same alone as among others (so nothing that a stranger sent before changes it).

use _kernel::{Context, Decoder, Library, Specification, jsonl};
use std::sync::{Arc, OnceLock};

/// The syntaxes, with the options that change how they read.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Kv,
    Spaced,
    Csv,
    Weblog,
    Json,
    Xml,
    Cef,
    Leef,
    Template,
}

const SHAPES: usize = 9;
const CONTEXT: Context = Context { reference: 1_795_003_200_000, offset: 0 };
const SCHEMA: &str = r#"{
  "sensor": ["firewall", "ids", "antivirus", "antispam"], "action": ["unknown", "allowed", "blocked", "detected"],
  "direction": ["unknown", "inbound", "outbound", "internal"], "evidence": ["unknown", "one_way", "established"],
  "category": ["none", "scan"], "max_signature_id": 64, "max_signature": 200, "max_threat": 128, "max_sender_domain": 253, "max_cves": 16
}"#;
/// Slots of every kind of value, with what packs may do to them.
const FIELDS: &str = r#"[
  {"target": "time", "from": [["t"], ["d", "c"]], "order": "day"},
  {"target": "src_ip", "from": [["s"]], "part": "address"}, {"target": "src_port", "from": [["s"]], "part": "port"},
  {"target": "dst_ip", "from": [["d"]], "strip": "<>[]"}, {"target": "protocol", "from": [["p"]]},
  {"target": "action", "from": [["a"]], "map": {"deny": "blocked", "a longer word than sixteen": "allowed"}, "default": "unknown"},
  {"target": "signature", "from": [["g"]], "after": "(", "before_last": ")"}, {"target": "cve", "from": [["g"]]},
  {"target": "file_sha256", "from": [["g"]]}, {"target": "sender_domain", "from": [["g"]]}, {"target": "bytes_in", "from": [["p"]]}
]"#;

/// What only some syntaxes have: a label's value, an object in a text, an element by its number.
fn reached(shape: Shape) -> &'static str {
    match shape {
        Shape::Json => {
            r#"{"target": "threat", "from": [["m.{}.s"], ["m.*.{}.s"]]}, {"target": "dst_port", "from": [["m.{}.p"]]}, "#
        }
        Shape::Xml => r#"{"target": "threat", "from": [["e.D.1"]]}, {"target": "dst_port", "from": [["e.D.0"]]}, "#,
        Shape::Cef | Shape::Leef => {
            r#"{"target": "threat", "from": [["label.Threat Name"]]}, {"target": "dst_port", "from": [["label.n"]]}, "#
        }
        _ => "",
    }
}

fn line(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Kv => ("kv", r#""contains": [["="]], "kv": {"pair": " ", "equals": "=", "quote": "\"", "escape": "\\"}"#),
        Shape::Spaced => {
            ("kv", r#""contains": [[":"]], "kv": {"pair": ";", "equals": ":", "quote": "'", "escape": null, "spaced": true}"#)
        }
        Shape::Csv => (
            "csv",
            r#""contains": [[","]], "csv": {"separator": ",", "quote": "\""}, "columns": ["t", "s", "d", "c", "p", "a", "g"]"#,
        ),
        Shape::Weblog => (
            "csv",
            r#""contains": [[" "]], "csv": {"separator": " ", "quote": "\"", "escape": "\\", "brackets": true, "collapse": true},
               "columns": ["s", "d", "p", "t", "g", "a", "c"]"#,
        ),
        Shape::Json => ("json", r#""begins": ["{"]"#),
        Shape::Xml => ("xml", r#""begins": ["<"]"#),
        Shape::Cef => ("cef", r#""begins": ["CEF:"]"#),
        Shape::Leef => ("leef", r#""begins": ["LEEF:"]"#),
        Shape::Template => (
            "template",
            r#""contains": [["from"]], "templates": [
               "{t} {d:word} from {s:ip}[:{c:int}][ ({p:word})] \"{g:quoted}\" {a:word}{$}", "{g:last} from {s:ip}{t:rest}",
               "from {s:word}[ to {d:word}[ by {c:word}]]: {p} {a}, {t:rest}", "{t} from {s} {d} {c} {p} {a} {g:rest}"]"#,
        ),
    }
}

fn library(shape: Shape) -> &'static Arc<Library> {
    static LIBRARIES: [OnceLock<Arc<Library>>; SHAPES] = [const { OnceLock::new() }; SHAPES];
    LIBRARIES[shape as usize].get_or_init(|| {
        let (syntax, options) = line(shape);
        let when = r#"[{"slot": "a", "test": "not", "values": ["x"]}, {"slot": "p", "test": "below", "values": ["99"]}]"#;
        let fields = FIELDS.replacen('[', &format!("[{}", reached(shape)), 1);
        let kinds = format!(
            r#"[{{"name": "picky", "when": {when}, "require": ["src_ip"], "fields": {fields}}}, {{"name": "any", "fields": {fields}}}]"#
        );
        let line = format!(r#"{{"name": "l", "syntax": "{syntax}", {options}, "kinds": {kinds}}}"#);
        let text = format!(r#"{{"schema": {SCHEMA}, "packs": [{{"name": "p", "sensor": "ids", "lines": [{line}]}}]}}"#);
        Arc::new(Specification::from_json(&text).and_then(Library::compile).unwrap_or_else(|error| panic!("{shape:?}: {error}")))
    })
}

/// How lines begin that are sent on: `0` stands for a digit that changes from line to line.
const HEADS: [&str; 7] = [
    "<134>Nov 18 09:15:00 gw.example.org app[70]: ",
    "<134>Nov 18 2026 09:15:00 gw : ",
    "<13>1 2026-11-18T09:15:00.000Z gw.example.org app 7 id0 - ",
    "<5>2026-11-18 09:15:00+01:00 gw0 app: ",
    "<30>Nov 18 09:15:00 relay <134>Nov 18 0:15:00 gw app: ",
    "<166>000: *Nov 18 09:00:00.000 UTC: ",
    "",
];
/// So many lines are begun in so many ways.
const BEGUN: usize = 24;

/// The lines, each several times and with headers before them, so that how they begin comes to be known.
fn begun(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (number, line) in _kernel::lines(data).take(BEGUN).enumerate() {
        let head = HEADS[(number + data.len()) % HEADS.len()];
        for round in 0..4_u8 {
            let digit = b'0' + (round * 3 + number as u8) % 10;
            text.extend(head.bytes().map(|byte| if byte == b'0' { digit } else { byte }));
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    text
}

/// Decode, and stop the run where a promise is broken.
pub fn check(shape: Shape, data: &[u8]) {
    check_lines(shape, data);
    check_lines(shape, &begun(data));
}

fn check_lines(shape: Shape, data: &[u8]) {
    let library = library(shape);
    let whole = Decoder::new(library, CONTEXT).decode(data);
    let kept = whole.outcomes.iter().filter(|&&outcome| outcome == 0).count();
    assert_eq!(whole.columns.len(), kept, "rows");
    assert_eq!(whole.products.len(), whole.outcomes.len(), "products");
    let ends = data.iter().filter(|&&byte| byte == b'\n').count();
    let unended = usize::from(!data.is_empty() && data.last() != Some(&b'\n'));
    assert_eq!(whole.outcomes.len(), ends + unended, "lines");
    let mut together = jsonl(&whole, 0);
    let mut alone = Vec::new();
    for (number, line) in _kernel::lines(data).enumerate() {
        let mut one = line.to_vec();
        one.push(b'\n');
        alone.extend(jsonl(&Decoder::new(library, CONTEXT).decode_apart(&one), number as u64));
    }
    together.push(b'.');
    alone.push(b'.');
    assert!(together == alone, "a line means something else among others");
}
