use super::*;

const CONTEXT: Context = Context { reference: 1_795_003_200_000, offset: 0 };
const AT: i64 = 1_794_993_300_000; // 2026-11-18T09:15:00Z

/// Host, program, time, and whether the message may begin at `message`.
fn check(line: &str, host: &str, program: &str, time: Option<i64>, message: &str) {
    let header = parse(line.as_bytes(), &CONTEXT);
    assert_eq!(String::from_utf8_lossy(header.host), host, "host of {line}");
    assert_eq!(String::from_utf8_lossy(header.program), program, "program of {line}");
    assert_eq!(header.time, time, "time of {line}");
    let places: Vec<&str> = header.starts.iter().filter_map(|&start| line.get(start..)).collect();
    assert!(places.contains(&message), "{message:?} does not begin at one of {places:?}");
}

#[test]
fn rfc3164_in_its_many_shapes() {
    let time = Some(AT);
    check("<134>Nov 18 09:15:00 gw kernel: IN=", "gw", "kernel", time, "IN=");
    check("<134> Nov 18 09:15:00 gw kernel: IN=", "gw", "kernel", time, "IN=");
    check("Nov 18 09:15:00 gw kernel: IN=", "gw", "kernel", time, "IN=");
    check("<30>Nov 18 09:15:00 gw dhcpd[311]: DHCPACK", "gw", "dhcpd", time, "DHCPACK");
    check("<30>Nov 18 09:15:00 gw sudo(pam): x", "gw", "sudo(pam)", time, "x");
    check("<134>Nov 18 09:15:00 filterlog[31337]: 4,,", "", "filterlog", time, "4,,");
    check("<134>Nov 18 09:15:00 filterlog: 4,,", "", "filterlog", time, "4,,");
    check("<134>Nov 18 2026 09:15:00 gw x: m", "gw", "x", time, "m");
    check("<134>Nov 18 09:15:00.000 gw x: m", "gw", "x", time, "m");
    check("<134>2026-11-18T09:15:00Z gw x: m", "gw", "x", time, "m");
    check("<134>2026-11-18T10:15:00.000+01:00 gw x: m", "gw", "x", time, "m");
    check("<134>Nov 18 09:15:00 2001:db8::1 x: m", "2001:db8::1", "x", time, "m");
    check("<134>Nov 18 09:15:00 fw CEF:0|V|P|", "fw", "CEF", time, "CEF:0|V|P|");
}

#[test]
fn ciscos_own_ways() {
    let time = Some(AT);
    check("<166>Nov 18 2026 09:15:00 asa : %ASA-6-1: x", "asa", "", time, "%ASA-6-1: x");
    check("<166>Nov 18 2026 09:15:00: %ASA-6-1: x", "", "", time, "%ASA-6-1: x");
    check("<166>:Nov 18 09:15:00 UTC: %ASA-6-1: x", "", "", time, "%ASA-6-1: x");
    check("<166>%ASA-6-1: x", "", "", None, "%ASA-6-1: x");
    check("<189>123: *Nov 18 09:15:00: %SEC-6-X: x", "", "", time, "%SEC-6-X: x");
    check("<189>123: .Nov 18 09:15:00.000: %SEC-6-X: x", "", "", time, "%SEC-6-X: x");
}

#[test]
fn rfc5424_with_and_without_structured_data() {
    let time = Some(AT);
    check("<134>1 2026-11-18T09:15:00Z gw app 1 ID - m", "gw", "app", time, "m");
    check("<134>1 2026-11-18T09:15:00Z gw app 1 ID - \u{feff}m", "gw", "app", time, "m");
    check("<134>1 2026-11-18T09:15:00Z gw app - - [a@1 b=\"c\"] m", "gw", "app", time, "m");
    check("<134>1 2026-11-18T09:15:00Z gw app - - [a b=\"c\"][d e=\"f\"] m", "gw", "app", time, "m");
    check("<134>1 2026-11-18T09:15:00Z gw app - - [a b=\"]\\\"] x\"] m", "gw", "app", time, "m");
    check("<134>1 - - - - - - m", "", "", None, "m");
}

#[test]
fn structured_data_that_never_ends_hides_nothing_and_stops_nothing() {
    let line = "<134>1 2026-11-18T09:15:00Z gw app - - [a b=\"never closed %ASA-6-106023: Deny";
    let header = parse(line.as_bytes(), &CONTEXT);
    assert_eq!(header.program, b"app");
    let inside = line.find('%');
    assert!(!header.starts.iter().any(|&start| Some(start) == inside));
}

#[test]
fn relays_put_their_header_before_the_devices() {
    let time = Some(AT);
    check("<13>Nov 18 10:00:00 relay <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("<13>Nov 18 10:00:00 relay Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check(
        "2026 Nov 18 10:00:00 siem->192.0.2.1 date=2026-11-18",
        "siem->192.0.2.1",
        "",
        Some(1_794_996_000_000),
        "date=2026-11-18",
    );
    // At most three, however many there are.
    let many = "<13>Nov 18 10:00:00 relay ".repeat(50);
    assert!(parse(many.as_bytes(), &CONTEXT).starts.len() < 20);
}

#[test]
fn without_any_header_the_message_begins_at_the_beginning() {
    for line in
        ["date=2026-11-18 time=09:15:00", "{\"event_type\":\"alert\"}", "%ASA-6-106023: Deny", "x", "<>", "<1234>x", "<a>x"]
    {
        assert_eq!(parse(line.as_bytes(), &CONTEXT).starts.first(), Some(&0), "{line}");
    }
    assert!(parse(b"", &CONTEXT).starts.is_empty());
}

#[test]
fn a_message_never_begins_inside_what_a_stranger_wrote() {
    let line = "<38>Nov 18 09:15:00 gw sshd[1]: Invalid user %ASA-4-106023: Deny from 192.0.2.1";
    let header = parse(line.as_bytes(), &CONTEXT);
    assert!(header.starts.iter().all(|&start| start <= line.find("Invalid").unwrap_or(0)));
}

#[test]
fn arbitrary_prefixes_of_headers_stop_nothing() {
    let line = "<13>Nov 18 10:00:00 relay <134>1 2026-11-18T09:15:00Z gw app - - [a b=\"c\"] m";
    for end in 0..line.len() {
        let starts = parse(&line.as_bytes()[..end], &CONTEXT).starts;
        assert!(starts.iter().all(|&start| start < end));
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn relays_put_addresses_lengths_and_facilities_in_front() {
    let time = Some(AT);
    check("192.0.2.9 <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("[192.0.2.9] <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("2001:db8::9 <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("35 <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("<13>1 2026-11-18T09:20:00Z relay - - - - <134>Nov 18 09:15:00 gw x: m", "gw", "x", time, "m");
    check("1 2026-11-18T09:15:00Z gw app - ID7 - m", "gw", "app", time, "m");
    check("2026-11-18 09:15:00\tLocal7.Notice\t192.0.2.9\tdate=x", "192.0.2.9", "", time, "date=x");
    check("Nov 18 09:15:00 mail.example x: m", "mail.example", "x", time, "m");
    assert_eq!(parse(b"<13>1 2026-11-18T09:15:00Z gw app - ID7 - m", &CONTEXT).msgid, b"ID7");
    let line = "<13>1 2026-11-18T09:15:00Z gw app - - - <134>Nov 18 09:15:00 gw x: m";
    let begins = parse(line.as_bytes(), &CONTEXT).starts;
    assert!(begins.iter().all(|&start| start <= line.rfind('<').unwrap_or(0)), "a program's own text is no header");
}

#[test]
fn half_of_the_newer_header_may_stand_before_a_message() {
    let line = "<111>1 2026-11-18T09:15:00Z vault CEF:0|V|P|1|2|three four five|6|a=b c=d";
    let header = parse(line.as_bytes(), &CONTEXT);
    assert_eq!(header.host, b"vault");
    assert!(header.starts.contains(&line.find("CEF").unwrap_or(0)));
}

#[test]
fn addresses_and_dates_are_no_programs() {
    for line in ["2001:db8::1 - - [x", "<13>Nov 18 09:15:00 gw fe80::1: x", "2026-11-18T09:15:00.123Z,EX1: x", "::1 x: y"] {
        assert_eq!(parse(line.as_bytes(), &CONTEXT).program, b"", "{line}");
    }
    check("<13>Nov 18 09:15:00 gw fee: m", "gw", "fee", Some(AT), "m");
}

#[test]
fn a_bracket_begins_no_program() {
    let line = "Nov 18 10:15:00 fb (firewall): msg_id=1";
    assert_eq!(parse(line.as_bytes(), &CONTEXT).program, b"");
}

#[test]
fn relays_rewrite_only_the_beginning() {
    let time = Some(AT);
    let line = "<189>Nov 18 09:20:48 198.51.100.2 585917: host: Nov 18 09:15:00.000: %SEC-6-IPACCESSLOGP: x";
    check(line, "198.51.100.2", "host", time, "%SEC-6-IPACCESSLOGP: x");
    check("<189>Nov 18 09:15:00 198.51.100.2 585917: %SEC-6-X: x", "198.51.100.2", "", time, "%SEC-6-X: x");
    check("<190>42: host: *Nov 18 09:15:00.000: %SEC-6-X: x", "", "host", time, "%SEC-6-X: x");
    check("<166>asa-hq : %ASA-6-302013: x", "asa-hq", "", None, "%ASA-6-302013: x");
    let line = "<14>Nov 18 09:15:00 srx RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.1 a=\"b\"] m";
    check(line, "srx", "RT_FLOW", time, "[junos@2636.1.1.1.2.1 a=\"b\"] m");
    check(line, "srx", "RT_FLOW", time, "m");
    assert_eq!(parse(line.as_bytes(), &CONTEXT).msgid, b"RT_FLOW_SESSION_DENY");
    let written = "<38>Nov 18 09:15:00 gw sshd[1]: Nov 18 09:15:00: %ASA-4-106023";
    let begins = parse(written.as_bytes(), &CONTEXT).starts;
    assert!(begins.iter().all(|&start| start < written.find('%').unwrap_or(0)), "a program's own text is no device's");
}

#[test]
fn a_zone_that_is_not_known_gives_no_time() {
    check("<166>Nov 18 2026 10:15:00 CET: %ASA-6-1: x", "", "", Some(AT), "%ASA-6-1: x");
    check("<166>Nov 18 2026 09:15:00 CST: %ASA-6-1: x", "", "", None, "%ASA-6-1: x");
}

#[test]
fn a_time_in_brackets_behind_a_name_is_the_devices() {
    for name in ["", "80BE00000001 ", "fb-2 "] {
        let line = format!("<140>Nov 18 09:30:00 fb-office {name}(2026-11-18T09:00:07) smtp-proxy[2519]: msg_id=\"1\" x");
        let header = parse(line.as_bytes(), &CONTEXT);
        assert_eq!(header.program, b"smtp-proxy", "{line}");
        assert_eq!(header.time, time::parse(b"2026-11-18T09:00:07Z", &CONTEXT));
        assert!(header.starts.iter().any(|&start| line[start..].starts_with("msg_id=")));
    }
    for other in
        ["a=b (2026-11-18T09:00:07) x: y", "two words (2026-11-18T09:00:07) x: y", "(2026) x: y", "(2026-11-18T09:00:07)x: y"]
    {
        let line = format!("<140>Nov 18 09:30:00 fb-office {other}");
        let header = parse(line.as_bytes(), &CONTEXT);
        assert_ne!(header.program, b"x", "{other}");
    }
}

#[test]
fn a_kernel_may_tell_no_time() {
    check("<4>gw kernel: IN=eth0", "gw", "kernel", None, "IN=eth0");
    check("<4>gw colonel: IN=eth0", "", "", None, "gw colonel: IN=eth0");
    // What is no kernel's leaves the relay's host as it is.
    check("<13>Nov 18 09:15:00 relay <4>gw colonel: x", "relay", "", Some(AT), "gw colonel: x");
}
