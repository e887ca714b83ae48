use super::*;

/// The address that strangers write into texts, to be taken for a field.
const PLANTED: &[u8] = b"8.8.8.8";

fn keys(names: &[&str]) -> Keys {
    names.iter().enumerate().map(|(slot, name)| (name.as_bytes(), slot)).collect()
}

fn labels(names: &[&str]) -> Labels {
    let mut labels = Labels::default();
    for (slot, name) in names.iter().enumerate() {
        assert_eq!(name.strip_prefix(LABEL_PREFIX).map_or(Ok(()), |label| labels.add(label, slot)), Ok(()));
    }
    labels
}

fn split<'a>(syntax: &Syntax, size: usize, body: &'a [u8]) -> (Split, Slots<'a>) {
    let mut slots = Slots::new();
    slots.reset(size);
    let split = syntax.split(body, &mut slots);
    (split, slots)
}

fn texts(slots: &Slots) -> Vec<Option<String>> {
    (0..slots.len()).map(|slot| slots.get(slot).map(|value| String::from_utf8_lossy(value).into_owned())).collect()
}

fn kv(names: &[&str]) -> Syntax {
    Syntax::Kv(kv::KeyValue::new(
        0,
        keys(names),
        kv::Signs { pair: b' ', equals: b'=', quote: b'"', escape: b'\\', spaced: false },
    ))
}

fn csv(columns: usize) -> Syntax {
    Syntax::Csv(csv::Csv { separator: b',', quote: b'"', escape: 0, brackets: false, collapse: false, columns, count: None })
}

fn json(paths: &[&str]) -> Syntax {
    let mut tree = json::Paths::default();
    for (slot, path) in paths.iter().enumerate() {
        assert_eq!(tree.add(path, slot), Ok(()));
    }
    Syntax::Json(tree)
}

fn cef(names: &[&str]) -> Syntax {
    Syntax::Cef(cef::Cef { header: [None; 6], keys: keys(names), labels: labels(names) })
}

fn leef(names: &[&str]) -> Syntax {
    Syntax::Leef(leef::Leef { header: [None; 4], keys: keys(names), labels: labels(names) })
}

fn xml(paths: &[&str]) -> Syntax {
    let mut elements = xml::Elements::default();
    for (slot, path) in paths.iter().enumerate() {
        elements.add(path, slot);
    }
    Syntax::Xml(elements)
}

fn spaced(pair: u8, equals: u8, names: &[&str]) -> Syntax {
    let signs = kv::Signs { pair, equals, quote: b'"', escape: b'\\', spaced: true };
    Syntax::Kv(kv::KeyValue::new(0, keys(names), signs))
}

/// As web servers log: blanks between, quotes escaped by a backslash, the time in brackets.
fn web_log(columns: usize) -> Syntax {
    let count = Some(columns);
    Syntax::Csv(csv::Csv { separator: b' ', quote: b'"', escape: b'\\', brackets: true, collapse: true, columns, count })
}

/// A template and its slots by name, in the order of their first mention.
fn template(text: &str) -> Result<(Syntax, Vec<String>), String> {
    let mut names: Vec<String> = Vec::new();
    let compiled = template::Template::compile(text, &mut |name| {
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })
    })?;
    Ok((Syntax::Template(vec![compiled]), names))
}

fn captured(text: &str, body: &str) -> Option<Vec<Option<String>>> {
    let (syntax, names) = template(text).ok()?;
    let (found, slots) = split(&syntax, names.len(), body.as_bytes());
    (found == Split::Whole).then(|| texts(&slots))
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn a_planted_field_inside_a_quoted_value_stays_a_value_in_every_syntax() {
    let cases: [(Syntax, &[u8]); 5] = [
        (kv(&["srcip", "url"]), br#"url="/? srcip=8.8.8.8 \" srcip=8.8.8.8 " srcip=192.0.2.1"#),
        (csv(2), br#"192.0.2.1,"x ""quoted"", srcip=8.8.8.8,8.8.8.8",8.8.8.8"#),
        (
            json(&["srcip", "url"]),
            br#"{"url":"\" srcip=8.8.8.8 \",\"srcip\":\"8.8.8.8\"","deep":{"srcip":"8.8.8.8"},"srcip":"192.0.2.1"}"#,
        ),
        (cef(&["srcip", "url"]), br"CEF:0|v|p|1|1|n|1|url=/? srcip\=8.8.8.8 \\ srcip\=8.8.8.8 srcip=192.0.2.1"),
        (kv(&["srcip", "msg"]), br#"msg="\\\" srcip=8.8.8.8" srcip=192.0.2.1"#),
    ];
    for (syntax, body) in &cases {
        let (found, slots) = split(syntax, 2, body);
        assert!(found == Split::Whole, "{}", String::from_utf8_lossy(body));
        assert_eq!(slots.get(0), Some(&b"192.0.2.1"[..]), "{}", String::from_utf8_lossy(body));
        assert!(slots.get(1).is_some_and(|value| memchr::memmem::find(value, PLANTED).is_some()));
    }
    // A template takes each text where it stands: what a stranger wrote is behind, or inside a capture of its own.
    let login = r#"Login denied from {src:ip}/{*:int} for user "{user}" on {*:rest}"#;
    let body = r#"Login denied from 192.0.2.1/1 for user "Login denied from 8.8.8.8/1 for user x" on y"#;
    assert_eq!(captured(login, body), Some(some(&["192.0.2.1", "Login denied from 8.8.8.8/1 for user x"])));
}

#[test]
fn of_two_values_for_one_slot_the_first_stands() {
    let cases: [(Syntax, &[u8]); 3] =
        [(kv(&["a"]), b"a=1 a=2"), (json(&["a"]), br#"{"a":1,"a":2}"#), (cef(&["a"]), b"CEF:0|v|p|1|1|n|1|a=1 a=2")];
    for (syntax, body) in &cases {
        assert_eq!(split(syntax, 1, body).1.get(0), Some(&b"1"[..]));
    }
    assert_eq!(captured("{a:int} {a:int}", "1 2"), Some(some(&["1"])));
}

#[test]
fn key_value_flags_tabs_quotes_and_escapes() {
    let (found, slots) = split(&kv(&["a", "SYN", "path", "e"]), 4, b"a=1\tSYN  path=\"C:\\temp\\\\x\" e= z=2");
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["1", "SYN", r"C:\temp\x", ""]));
    let (found, slots) = split(&kv(&["a", "b"]), 2, br#"a=1 b="never closed a=2"#);
    assert!(found == Split::Broken);
    assert_eq!(texts(&slots), [Some("1".to_owned()), None]);
}

#[test]
fn other_signs_for_pairs_and_equals() {
    let syntax = Syntax::Kv(kv::KeyValue::new(
        0,
        keys(&["a", "b"]),
        kv::Signs { pair: b';', equals: b':', quote: b'\'', escape: 0, spaced: false },
    ));
    assert_eq!(texts(&split(&syntax, 2, br"a:'x;b:2\';b:3").1), some(&[r"x;b:2\", "3"]));
}

#[test]
fn csv_quotes_doubles_and_columns_without_a_slot() {
    assert_eq!(texts(&split(&csv(3), 3, br#"a,"b ""c"", d",e"#).1), some(&["a", r#"b "c", d"#, "e"]));
    assert_eq!(texts(&split(&csv(3), 3, br#"a,"b"tail,e"#).1), some(&["a", "b", "e"]));
    assert_eq!(texts(&split(&csv(3), 3, b"a").1), [Some("a".to_owned()), None, None]);
    assert_eq!(texts(&split(&csv(2), 2, b",").1), some(&["", ""]));
    assert!(split(&csv(2), 2, br#"a,"never closed"#).0 == Split::Broken);
    // The third column is nobody's: the slot behind the named columns belongs to something else.
    assert_eq!(texts(&split(&csv(2), 3, b"a,b,c").1)[2], None);
}

#[test]
fn json_paths_lists_and_plain_values() {
    let syntax = json(&["a.b", "list", "n", "second.1.x", "t"]);
    let body =
        br#"{"a":{"x":1,"b":"\u0041"},"list":["p",["q"],{"r":1},2,null,true],"n":-1.5,"second":[{"x":1},{"x":2}],"t":true}"#;
    assert_eq!(texts(&split(&syntax, 5, body).1), some(&["A", "p 2 true", "-1.5", "2", "true"]));
    assert!(split(&json(&["a"]), 1, b"[1]").0 == Split::No);
    assert!(split(&json(&["a"]), 1, br#"{"a":1"#).0 == Split::Broken);
    assert!(split(&json(&["a"]), 1, b"{\"a\":\"\xff\"}").0 == Split::Broken);
}

#[test]
fn json_nested_without_end_is_broken_or_skipped_and_never_overflows_the_stack() {
    let deep = "[".repeat(10_000);
    let wanted = format!("{{\"a\":{deep}");
    assert!(split(&json(&["a"]), 1, wanted.as_bytes()).0 == Split::Broken);
    assert!(split(&json(&["b"]), 1, wanted.as_bytes()).0 == Split::Broken);
    let objects = "{\"a\":".repeat(10_000);
    assert!(split(&json(&["a.a.a"]), 1, objects.as_bytes()).0 == Split::Broken);
}

#[test]
fn cef_values_run_to_the_next_key_and_equals_signs_inside_words_begin_none() {
    let (found, slots) = split(
        &cef(&["src", "request", "msg"]),
        3,
        br"CEF:0|v\|x|p|1|1|n|1|request=http://example.org/?src=8.8.8.8&a=b msg=two words \= more src=192.0.2.1",
    );
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["192.0.2.1", "http://example.org/?src=8.8.8.8&a=b", "two words = more"]));
}

#[test]
fn cef_headers_and_escapes() {
    let syntax =
        Syntax::Cef(cef::Cef { header: [Some(0), None, None, Some(1), Some(2), Some(3)], keys: keys(&[]), labels: labels(&[]) });
    let (found, slots) = split(&syntax, 4, br"CEF:0|Ven\|dor\\|Product|1|100|na\=me|5|");
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&[r"Ven|dor\", "100", "na=me", "5"]));
    assert!(split(&syntax, 4, b"CEF:0|Vendor|Product").0 == Split::Broken);
    assert!(split(&syntax, 4, b"LEEF:1.0|").0 == Split::No);
    let slashes = format!("CEF:0|{}", "\\".repeat(60_001));
    assert!(split(&syntax, 4, slashes.as_bytes()).0 == Split::Broken);
    assert_eq!(texts(&split(&cef(&["a"]), 1, br"CEF:0|v|p|1|1|n|1|a=198.\1.2\n\r\z").1), some(&[r"198.\1.2  \z"]));
}

#[test]
fn templates_capture_by_type() {
    assert_eq!(
        captured("from {a:ip}: {b:word}, {c:int}{d:rest}", "from 2001:db8::1: w,x, 12rest"),
        Some(some(&["2001:db8::1", "w,x", "12", "rest"]))
    );
    assert_eq!(captured("to {a:ip}.", "to 192.0.2.1."), Some(some(&["192.0.2.1"])));
    assert_eq!(captured("{zone}:{a:ip}", "in side:192.0.2.1"), Some(some(&["in side", "192.0.2.1"])));
    assert_eq!(captured(r"\{\[{a}\]", "{[x]"), Some(some(&["x"])));
    assert_eq!(captured("{port:word}[({*})] by", "80(user) by"), Some(some(&["80"])));
    assert_eq!(captured("{port:word}[({*})] by", "80 by"), Some(some(&["80"])));
}

#[test]
fn optional_parts_may_be_there_or_not_and_leave_nothing_behind_when_not() {
    let text = "a[ b {x:int}][ c {y:int}] d";
    assert_eq!(captured(text, "a b 1 c 2 d"), Some(some(&["1", "2"])));
    assert_eq!(captured(text, "a c 2 d"), Some(vec![None, Some("2".to_owned())]));
    assert_eq!(captured(text, "a d"), Some(vec![None, None]));
    assert_eq!(captured(text, "a b 1 c 2 e"), None);
    assert_eq!(captured("a[ {x:int}] 7 b", "a 7 b"), Some(vec![None]));
}

#[test]
fn bad_templates_are_refused_with_the_place() {
    for (text, words) in [
        ("", "empty"),
        ("{a", "never closed at character 2"),
        ("[a", "never closed"),
        ("a]", "unmatched bracket at character 2"),
        ("a}", "unmatched bracket"),
        ("a\\", "lone backslash"),
        ("{a:float}", "no capture type \"float\""),
        ("[[[[[a]]]]]", "nested too deep"),
        ("{a}[b]", "needs literal text"),
        ("{a}{b:int}", "needs literal text"),
        ("[x {a}]", "needs literal text"),
    ] {
        let error = template(text).err().unwrap_or_default();
        assert!(error.contains(words), "{text:?} gave {error:?}");
    }
}

#[test]
fn every_syntax_is_total_on_every_cut_of_every_byte() {
    let bodies: [&[u8]; 7] = [
        br#"a=1 b="x\"y" c"#,
        br#"a,"b""c",d"#,
        br#"{"a":{"b":[1,"\u0041",{}]},"c":"{\"d\":[1]}"}"#,
        br"CEF:0|v\||p|1|1|n|1|a=b\=c cs1=e cs1Label=d",
        b"LEEF:2.0|v|p|1|1|x09|a=b\tcs1=e\tcs1Label=d",
        br#"<a b="c"><b Name="x">y&amp;<![CDATA[z]]></b></a>"#,
        br#"x "y\" z" [20/Nov] q"#,
    ];
    let (found, _) = template("{a} [b {c:ip}]{d:word}x{e:rest}").unwrap_or_else(|error| unreachable!("{error}"));
    let syntaxes = [
        kv(&["a"]),
        csv(3),
        json(&["a.b", "c.{}.d"]),
        cef(&["a", "label.d"]),
        found,
        leef(&["a", "label.d"]),
        xml(&["a.b[x]", "a@b", "a.b.0"]),
        web_log(4),
        spaced(b' ', b'=', &["a"]),
    ];
    for body in bodies {
        for end in 0..=body.len() {
            for byte in 0..=255_u8 {
                let mut changed = body[..end].to_vec();
                changed.push(byte);
                for syntax in &syntaxes {
                    let _ = split(syntax, 5, &changed);
                }
            }
        }
    }
}

#[test]
fn keys_are_found_and_nothing_else_is() {
    let names: Vec<String> = (0..500).map(|n| format!("key{n}")).collect();
    let keys: Keys = names.iter().enumerate().map(|(slot, name)| (name.as_bytes(), slot)).collect();
    for (slot, name) in names.iter().enumerate() {
        assert_eq!(keys.get(name.as_bytes()), Some(slot));
    }
    for other in ["", "k", "key", "key500", "key01", "KEY1", " key1"] {
        assert_eq!(keys.get(other.as_bytes()), None, "{other}");
    }
}

mod wider;
mod within;

#[test]
fn of_two_different_texts_for_a_key_that_stands_once_neither_is_believed() {
    let syntax = kv(&["src", "dst"]);
    let read = |body: &'static [u8]| {
        let (_, mut slots) = split(&syntax, 2, body);
        slots.forget_doubtful(&[0]);
        texts(&slots)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(read(b"src=1 dst=2"), [text("1"), text("2")]);
    assert_eq!(read(b"src=1 dst=2 src=1"), [text("1"), text("2")]);
    assert_eq!(read(b"src=1 dst=2 src=3 dst=4"), [text(""), text("2")]);
}
