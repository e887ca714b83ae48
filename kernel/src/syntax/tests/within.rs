//! Values by their labels, JSON in a text of JSON, and elements of XML by their number.

use super::*;

#[test]
fn a_label_names_its_fields_value_whatever_the_number_the_order_and_the_case() {
    let names = ["label.Threat Name", "label.Score", "cs1"];
    for pairs in [
        "cs4Label=Threat Name cs4=Bad thing cn1Label=SCORE cn1=7 cs1=x",
        "cs4=Bad thing cn1=7 cs1=x cs1Label=Other cn1Label=score cs4Label=threat name",
        "cs1=x flexString2Label=Threat Name flexString2=Bad thing deviceCustomNumber1=7 deviceCustomNumber1Label=Score",
    ] {
        let body = format!("CEF:0|v|p|1|1|n|1|{pairs}");
        assert_eq!(texts(&split(&cef(&names), 3, body.as_bytes()).1), some(&["Bad thing", "7", "x"]), "{pairs}");
    }
    let body = "LEEF:1.0|v|p|1|e|cs4=Bad thing\tcs1=x\tcs4Label=Threat Name\tcn1Label=Score\tcn1=7";
    assert_eq!(texts(&split(&leef(&names), 3, body.as_bytes()).1), some(&["Bad thing", "7", "x"]));
    let body = "LEEF:1.0|v|p|1|e|cs4=Bad thing cs1=x cs4Label=Threat Name cn1Label=Score cn1=7";
    assert_eq!(texts(&split(&leef(&names), 3, body.as_bytes()).1), some(&["Bad thing", "7", "x"]));
    let escaped = br"CEF:0|v|p|1|1|n|1|cs1Label=Threat Name cs1=a\=b\\c";
    assert_eq!(texts(&split(&cef(&names[..1]), 1, escaped).1), some(&[r"a=b\c"]));
}

#[test]
fn no_text_in_a_value_and_nothing_further_on_becomes_what_a_label_names() {
    let names = ["label.Threat Name"];
    let cef_lines: [&[u8]; 6] = [
        br"CEF:0|v|p|1|1|n|1|msg=x cs1Label\=Threat Name cs1\=planted cs4Label=Threat Name cs4=real",
        br"CEF:0|v|p|1|1|n|1|request=/?cs1Label=Threat&cs1=planted cs4=real cs4Label=Threat Name",
        br"CEF:0|v|p|1|1|n|1|cs4=real cs4Label=Threat Name msg=x cs1Label=Threat Name cs1=planted",
        br"CEF:0|v|p|1|1|n|1|cs4=real cs4Label=Threat Name cs4=planted cs4Label=Other",
        br"CEF:0|v|p|1|1|n|1|cs4Label=Threat Name cs1Label=Threat Name cs1=planted cs4=real",
        br"CEF:0|v|p|1|1|n|1|cs1Label=Other cs1=planted cs1Label=Threat Name cs4Label=Threat Name cs4=real",
    ];
    for body in cef_lines {
        assert_eq!(texts(&split(&cef(&names), 1, body).1), some(&["real"]), "{}", String::from_utf8_lossy(body));
    }
    let body = b"LEEF:1.0|v|p|1|e|msg=x cs1Label=Threat Name cs1=planted\tcs4Label=Threat Name\tcs4=real";
    assert_eq!(texts(&split(&leef(&names), 1, body).1), some(&["real"]));
    // Without a value of its own, the label names nothing: not another field that is called the same, and no field without a number.
    for pairs in [
        "cs4Label=Threat Name cs1Label=Threat Name cs1=planted",
        "xLabel=Threat Name x=planted",
        "csLabel=Threat Name cs=planted",
    ] {
        let body = format!("CEF:0|v|p|1|1|n|1|{pairs}");
        assert_eq!(texts(&split(&cef(&names), 1, body.as_bytes()).1), [None], "{pairs}");
    }
}

#[test]
fn a_label_in_two_ways_of_writing_is_refused() {
    let mut labels = Labels::default();
    assert_eq!(labels.add("Threat Name", 0), Ok(()));
    assert!(labels.add("threat name", 1).is_err_and(|error| error.contains("threat name")));
}

#[test]
fn a_text_is_read_as_an_object_or_a_list_where_a_path_asks_for_it() {
    let syntax = json(&["message.{}.src.ip", "message", "n.*.{}.x", "src.ip"]);
    let body = br#"{"message":" {\"src\":{\"ip\":\"192.0.2.1\"}}\n","n":["{\"x\":1}","{\"x\":2}"],"src":{"ip":"192.0.2.7"}}"#;
    let (found, slots) = split(&syntax, 4, body);
    assert!(found == Split::Whole);
    let wanted = ["192.0.2.1", " {\"src\":{\"ip\":\"192.0.2.1\"}}\n", "1", "192.0.2.7"];
    assert_eq!(texts(&slots), some(&wanted));
    let list = br#"{"entities":"[{\"type\":\"host\"},{\"ip\":\"192.0.2.1\"}]"}"#;
    assert_eq!(texts(&split(&json(&["entities.{}.*.ip", "entities.{}.0.type"]), 2, list).1), some(&["192.0.2.1", "host"]));
    // What is no object, or an object already, has nothing inside.
    for body in
        [r#"{"message":"1"}"#, r#"{"message":"x {\"src\":{\"ip\":1}}"}"#, r#"{"message":{"src":{"ip":1}}}"#, r#"{"message":7}"#]
    {
        assert_eq!(texts(&split(&json(&["message.{}.src.ip"]), 1, body.as_bytes()).1), [None], "{body}");
    }
}

#[test]
fn an_object_in_a_text_gives_nothing_to_the_line_and_is_read_once_only() {
    let planted = br#"{"message":"{\"ip\":\"8.8.8.8\",\"message\":\"{\\\"ip\\\":\\\"8.8.8.8\\\"}\"}","ip":"192.0.2.1"}"#;
    assert_eq!(texts(&split(&json(&["ip", "message.{}.x"]), 2, planted).1), [Some("192.0.2.1".to_owned()), None]);
    // A key that is written as the step is no step.
    let key = br#"{"message":{"{}":{"ip":"8.8.8.8"}},"message.{}.ip":"8.8.8.8"}"#;
    assert_eq!(texts(&split(&json(&["message.{}.ip"]), 1, key).1), [None]);
    for path in ["a.{}.b.{}.c", "{}.a", "a.{}", "{}"] {
        assert!(json::Paths::default().add(path, 0).is_err(), "{path}");
    }
}

#[test]
fn of_an_object_in_a_text_that_is_cut_no_number_is_believed_and_the_line_goes_on() {
    let syntax = json(&["m.{}.a", "m.{}.p", "m.{}.q", "b"]);
    let (found, slots) = split(&syntax, 4, br#"{"m":"{\"a\":\"x\",\"p\":22","b":"y"}"#);
    assert!(found == Split::Whole);
    assert_eq!(texts(&slots), [Some("x".to_owned()), None, None, Some("y".to_owned())]);
    let deep = format!("{{\"m\":\"{}\",\"b\":\"y\"}}", r#"{\"a\":"#.repeat(5_000));
    assert_eq!(texts(&split(&json(&["m.{}.a.a", "b"]), 2, deep.as_bytes()).1), [None, Some("y".to_owned())]);
}

#[test]
fn elements_without_a_name_are_found_by_their_number() {
    let body = b"<Event><EventData><Data>zero</Data><Data Name=\"x\">named</Data><Data/><Data>two <![CDATA[</Data><Data>]]></Data><Data>three</Data></EventData></Event>";
    let data = |step: &str| format!("Event.EventData.Data{step}");
    let paths = [data(".0"), data(".1"), data(".2"), data(".3"), data("[x]"), data(".4")];
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (found, slots) = split(&xml(&paths), 6, body);
    assert!(found == Split::Whole);
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(texts(&slots), [text("zero"), None, text("two "), text("three"), text("named"), None]);
    // The path alone is the first of those that no number asks for.
    assert_eq!(texts(&split(&xml(&["Event.EventData.Data.3", "Event.EventData.Data"]), 2, body).1), some(&["three", "zero"]));
}

#[test]
fn numbers_count_elements_and_not_what_is_written_in_them() {
    let body = b"<E><D>&lt;D&gt;8.8.8.8&lt;/D&gt;</D><X><D>8.8.8.8</D></X><!-- <D>8.8.8.8</D> --><D>192.0.2.1</D></E>";
    assert_eq!(texts(&split(&xml(&["E.D.1"]), 1, body).1), some(&["192.0.2.1"]));
}
