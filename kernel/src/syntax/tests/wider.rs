//! LEEF, XML, blanks inside values, web servers' logs, and what templates know of strangers' text.

use super::*;

#[test]
fn leef_attributes_stand_between_tabs_or_the_chosen_sign() {
    let names = ["src", "dst", "url"];
    let (found, slots) = split(&leef(&names), 3, b"LEEF:1.0|V|P|1|e|src=192.0.2.1\turl=a b src=8.8.8.8\tdst=198.51.100.1");
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["192.0.2.1", "198.51.100.1", "a b src=8.8.8.8"]));
    for head in ["^|", "x5E|", "0x5e|"] {
        let body = format!("LEEF:2.0|V|P|1|e|{head}src=192.0.2.1^dst=198.51.100.1^url=x\tsrc=8.8.8.8");
        assert_eq!(texts(&split(&leef(&names), 3, body.as_bytes()).1), some(&["192.0.2.1", "198.51.100.1", "x\tsrc=8.8.8.8"]));
    }
    let body = b"LEEF:2.0|V|P|1|e|src=192.0.2.1\tdst=198.51.100.1\turl=u";
    assert_eq!(texts(&split(&leef(&names), 3, body).1), some(&["192.0.2.1", "198.51.100.1", "u"]));
}

#[test]
fn leef_headers_and_products_that_write_blanks() {
    let header = [Some(0), Some(1), Some(2), Some(3)];
    let syntax =
        Syntax::Leef(leef::Leef { header, keys: [(&b"src"[..], 4), (b"msg", 5)].into_iter().collect(), labels: labels(&[]) });
    let (found, slots) = split(&syntax, 6, b"LEEF:1.0|Vendor|Product|2|event 7|src=192.0.2.1 msg=two words");
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["Vendor", "Product", "2", "event 7", "192.0.2.1", "two words"]));
    assert!(split(&syntax, 6, b"LEEF:1.0|Vendor").0 == Split::Broken);
    assert!(split(&syntax, 6, b"CEF:0|").0 == Split::No);
}

const EVENT: &str = r#"<?xml version="1.0"?><Event xmlns="urn:x"><System><Provider Name="Security"/><EventID>4625</EventID><T At="2026"/></System><EventData><Data Name="User">&lt;Data Name="IpAddress"&gt;8.8.8.8&lt;/Data&gt;</Data><Data Name="IpAddress">192.0.2.1</Data></EventData></Event>"#;

#[test]
fn xml_paths_attributes_and_named_elements() {
    let paths = ["Event.System.EventID", "Event.System.T@At", "Event.EventData.Data[IpAddress]", "Event.System.Provider@Name"];
    let (found, slots) = split(&xml(&paths), 4, EVENT.as_bytes());
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["4625", "2026", "192.0.2.1", "Security"]));
    let (found, slots) = split(&xml(&["a.b"]), 1, b"<n:a><n:b><![CDATA[<b>8.8.8.8</b>]]></n:b><b>2</b></n:a>");
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), some(&["<b>8.8.8.8</b>"]));
}

#[test]
fn xml_that_is_cut_deep_endless_or_expanding_is_broken_and_bounded() {
    assert!(split(&xml(&["a"]), 1, b"<a><b>1</b>").0 == Split::Broken);
    assert!(split(&xml(&["a"]), 1, "<a>".repeat(10_000).as_bytes()).0 == Split::Broken);
    assert!(split(&xml(&["a"]), 1, format!("<a>{}", "<b/>".repeat(10_000)).as_bytes()).0 == Split::Broken);
    assert!(split(&xml(&["a"]), 1, b"plain").0 == Split::No);
    let bomb = br#"<!DOCTYPE a [<!ENTITY x "8.8.8.8">]><a>&x;</a>"#;
    assert!(!texts(&split(&xml(&["a"]), 1, bomb).1).contains(&Some("8.8.8.8".to_owned())));
}

#[test]
fn blanks_in_values_end_where_the_next_key_begins() {
    let syntax = spaced(b' ', b'=', &["act", "msg", "src"]);
    let body = b"act=allow all  msg=seen at http://example.org/?src=8.8.8.8&x=1 twice src=192.0.2.1";
    let wanted = some(&["allow all ", "seen at http://example.org/?src=8.8.8.8&x=1 twice", "192.0.2.1"]);
    assert_eq!(texts(&split(&syntax, 3, body).1), wanted);
    let quoted = br#"msg="x src=8.8.8.8" src=192.0.2.1 act=a"#;
    assert_eq!(texts(&split(&syntax, 3, quoted).1), some(&["a", "x src=8.8.8.8", "192.0.2.1"]));
}

#[test]
fn quotation_marks_may_be_doubled_in_pairs() {
    let signs = kv::Signs { pair: b',', equals: b'=', quote: b'"', escape: b'"', spaced: true };
    let syntax = Syntax::Kv(kv::KeyValue::new(0, keys(&["q", "ip"]), signs));
    let body = br#"q="a="",ip=""8.8.8.8""",ip="192.0.2.1""#;
    assert_eq!(texts(&split(&syntax, 2, body).1), some(&[r#"a=",ip="8.8.8.8""#, "192.0.2.1"]));
    assert!(split(&syntax, 2, br#"q="a"""#).0 == Split::Broken);
}

#[test]
fn blanks_in_keys_where_another_sign_stands_between_pairs() {
    let syntax = spaced(b',', b':', &["Local Host", "Remote Host IP", "Rule"]);
    let body = b"Local Host: 192.0.2.1,Remote Host Name: ,Remote Host IP: 2001:db8::1,Rule: Block, all,Local Host: 8.8.8.8";
    assert_eq!(texts(&split(&syntax, 3, body).1), some(&["192.0.2.1", "2001:db8::1", "Block"]));
}

#[test]
fn web_servers_logs_have_quotes_brackets_and_a_number_of_columns() {
    let body = br#"192.0.2.1 -   - [20/Nov/2026:07:00:00 +0000] "GET /\" 200 8.8.8.8 HTTP/1.1" 403 7 "-" "x""#;
    let (found, slots) = split(&web_log(6), 7, body);
    assert!(found == Split::Whole);
    let wanted = ["192.0.2.1", "-", "-", "20/Nov/2026:07:00:00 +0000", r#"GET /" 200 8.8.8.8 HTTP/1.1"#, "403", "9"];
    assert_eq!(texts(&slots), some(&wanted));
    assert_eq!(texts(&split(&csv(2), 2, br#"a, "b, c""#).1), some(&["a", "b, c"]));
}

#[test]
fn json_keys_with_full_stops_and_any_place_of_a_list() {
    let syntax = json(&["id.orig_h", "list.*.ip", "a.b.c"]);
    let body = br#"{"id.orig_h":"192.0.2.1","list":[{"x":1},{"ip":"192.0.2.2"},{"ip":"8.8.8.8"}],"a":{"b.c":3}}"#;
    assert_eq!(texts(&split(&syntax, 3, body).1), some(&["192.0.2.1", "192.0.2.2", "3"]));
}

#[test]
fn a_colon_behind_ipv4_begins_a_port() {
    for (body, address) in
        [("192.0.2.1:80 x", "192.0.2.1"), ("::ffff:192.0.2.1:80 x", "::ffff:192.0.2.1"), ("192.0.2.1:80. x", "192.0.2.1")]
    {
        assert_eq!(captured("{a:ip}:{b:int}", body), Some(some(&[address, "80"])), "{body}");
    }
    assert_eq!(captured("{a:ip}: {b:int}", "2001:db8::1: 7"), Some(some(&["2001:db8::1", "7"])));
}

#[test]
fn templates_give_strangers_text_no_say() {
    let planted = "Failed password for x from 8.8.8.8 port 1 ssh2 from 192.0.2.1 port 22 ssh2";
    let text = "Failed password for {*:last} from {a:ip} port {b:int} ssh2{$}";
    assert_eq!(captured(text, planted), Some(some(&["192.0.2.1", "22"])));
    assert_eq!(captured(text, &format!("{planted} more")), None);
    let agent = r#"status 403 "x\" client 8.8.8.8" client 192.0.2.1"#;
    assert_eq!(captured(r#"status {a:int} "{*:quoted}" client {b:ip}"#, agent), Some(some(&["403", "192.0.2.1"])));
    assert!(template("{a:last}").is_err(), "nothing follows");
    assert!(template("{a:last}[b]").is_err());
}

/// Every one of these took time that grew with the square of the line's length, or would if written carelessly.
#[test]
fn lines_made_to_be_slow_are_not() {
    for text in ["a=".repeat(30_000), format!("a={}", "b=c ".repeat(15_000)), " x".repeat(30_000), "\\\"".repeat(30_000)] {
        for syntax in [spaced(b' ', b'=', &["z"]), cef(&["z"]), leef(&["z"]), web_log(3), xml(&["z"])] {
            let body = format!("CEF:0|v|p|1|1|n|1|{text}");
            let _ = split(&syntax, 4, body.as_bytes());
            let _ = split(&syntax, 4, text.as_bytes());
        }
    }
}
