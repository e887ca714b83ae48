use super::*;

#[test]
fn numbers() {
    assert_eq!(parse_u64(b"0"), Some(0));
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    for wrong in [&b""[..], b"18446744073709551616", b"-1", b"+1", b" 1", b"1 ", b"1.0", b"0x1", b"111111111111111111111"] {
        assert_eq!(parse_u64(wrong), None, "{wrong:?}");
    }
    assert_eq!(parse_port(b"65535"), Some(65535));
    assert_eq!(parse_port(b"65536"), None);
}

#[test]
fn addresses() {
    let mapped = |d| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, d];
    assert_eq!(parse_address(b"192.0.2.1"), Some(mapped(1)));
    assert_eq!(parse_address(b"::ffff:192.0.2.1"), Some(mapped(1)));
    assert_eq!(parse_address(b"2001:db8::1").map(|a| (a[0], a[15])), Some((0x20, 1)));
    assert_eq!(parse_address(b"[2001:db8::1]"), parse_address(b"2001:db8::1"));
    assert_eq!(parse_address(b"fe80::1%eth0"), parse_address(b"fe80::1"));
    for wrong in [
        "",
        ".",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.1000",
        "1..2.3",
        "a.b.c.d",
        ":",
        ":::",
        "2001:db8",
        "2001:db8::g",
        "[2001:db8::1",
        "1.2.3.4 ",
        "2001:db8::1/64",
        "1.2.3.4:80",
    ] {
        let found = parse_address(wrong.as_bytes());
        assert_eq!(found, None, "{wrong:?}");
    }
}

#[test]
fn protocols_by_name_and_number() {
    assert_eq!(parse_protocol(b"TCP"), Some(6));
    assert_eq!(parse_protocol(b"17"), Some(17));
    assert_eq!(parse_protocol(b"ICMPv6"), Some(58));
    assert_eq!(parse_protocol(b"256"), None);
    assert_eq!(parse_protocol(b"what"), None);
    for (name, number) in PROTOCOLS {
        assert_eq!(parse_protocol(name.as_bytes()), Some(*number));
        assert!(protocol_name(*number).is_some());
    }
}

#[test]
fn hashes_are_64_hexadecimal_digits() {
    assert_eq!(parse_sha256("0f".repeat(32).as_bytes()), Some([15; 32]));
    assert_eq!(parse_sha256("0F".repeat(32).as_bytes()), Some([15; 32]));
    assert_eq!(parse_sha256("0g".repeat(32).as_bytes()), None);
    assert_eq!(parse_sha256("0".repeat(63).as_bytes()), None);
}

#[test]
fn cves_in_any_dress() {
    let mut found = Vec::new();
    find_cves(b"CVE-2021-44228, cve_2014_0160 (Cve 2017-0144) CVE:1999:0001 CVE-2021-44228", 16, &mut found);
    assert_eq!(found, ["CVE-2021-44228", "CVE-2014-0160", "CVE-2017-0144", "CVE-1999-0001"]);
    let mut none = Vec::new();
    find_cves(b"CVE CVE- CVE-2021 CVE-2021-1 CVE-2021-12345678 CVE-1998-1234 CVE-2100-1234 CVE-20a1-1234 cve", 16, &mut none);
    assert!(none.is_empty(), "{none:?}");
    let mut few = Vec::new();
    find_cves(b"CVE-2021-0001 CVE-2021-0002 CVE-2021-0003", 2, &mut few);
    assert_eq!(few.len(), 2);
}

#[test]
fn of_a_mailbox_only_the_domain_is_kept() {
    for (text, domain) in [
        ("someone@example.org", "example.org"),
        ("<someone@Example.ORG>", "example.org"),
        ("Some One <some.one@mail.example.org>", "mail.example.org"),
        ("\"a@b.example\" <c@d.example>", "d.example"),
        ("a@b.example>", "b.example"),
    ] {
        assert_eq!(domain_of(text.as_bytes()).as_deref(), Some(domain), "{text}");
    }
    for nothing in
        ["", "root", "jo.smith", "root@localhost", "a@", "a@.", "a@b..c", "a@192.0.2.1", "a@b.c/path", "@", "a@b.c d@e"]
    {
        assert_eq!(domain_of(nothing.as_bytes()), None, "{nothing}");
    }
}

#[test]
fn text_is_cut_at_a_character_and_loses_what_does_not_print() {
    assert_eq!(clean_text(b"  plain  ", 100), "plain");
    assert_eq!(clean_text(b"a\x00b\x1b[31mc\x7f\xc2\x85d", 100), "ab[31mcd");
    assert_eq!(clean_text("a\u{202e}b\u{200b}c\u{feff}d\u{2028}e\u{61c}f".as_bytes(), 100), "abcdef");
    assert_eq!(clean_text("äöü".as_bytes(), 3), "ä");
    assert_eq!(clean_text("äöü".as_bytes(), 4), "äö");
    assert_eq!(clean_text(b"abc", 2), "ab");
    assert_eq!(clean_text(b"abc", 0), "");
    assert!(clean_text(b"\xff\xfe ok", 100).ends_with("ok"));
    for limit in 0..40 {
        let text = "\u{1f600}\u{200b}é".repeat(20);
        assert!(clean_text(text.as_bytes(), limit).len() <= limit);
    }
}

#[test]
fn endpoints_are_address_and_port() {
    for (text, address, port) in [
        ("192.0.2.1:80", "192.0.2.1", Some("80")),
        ("192.0.2.1:80:X1:host", "192.0.2.1", Some("80")),
        ("192.0.2.1/80", "192.0.2.1", Some("80")),
        ("192.0.2.1#80", "192.0.2.1", Some("80")),
        ("192.0.2.1(80)", "192.0.2.1", Some("80")),
        ("192.0.2.1.80", "192.0.2.1", Some("80")),
        ("192.0.2.1", "192.0.2.1", None),
        ("192.0.2.1:", "192.0.2.1", None),
        ("[2001:db8::1]:80", "2001:db8::1", Some("80")),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("2001:db8::1/80", "2001:db8::1", Some("80")),
        ("", "", None),
        ("[", "", None),
    ] {
        let (found, at) = endpoint(text.as_bytes());
        assert_eq!((found, at), (address.as_bytes(), port.map(str::as_bytes)), "{text}");
    }
}

#[test]
fn decimals_compare_and_nothing_else_is_one() {
    assert_eq!(parse_decimal(b" -1.5 "), Some(-1.5));
    assert_eq!(parse_decimal(b"7"), Some(7.0));
    for text in [&b""[..], b"inf", b"NaN", b"1e9", b"0x7", b"7 8", b"-"] {
        assert_eq!(parse_decimal(text), None);
    }
}
