use super::*;

fn of(buffer: &[u8]) -> Vec<&[u8]> {
    lines(buffer).collect()
}

#[test]
fn a_newline_ends_a_line() {
    assert!(of(b"").is_empty());
    assert_eq!(of(b"\n"), [b""]);
    assert_eq!(of(b"\n\n"), [b"", b""]);
    assert_eq!(of(b"a"), [b"a"]);
    assert_eq!(of(b"a\n"), [b"a"]);
    assert_eq!(of(b"a\r\n\r\nb\n"), [&b"a"[..], b"", b"b"]);
}

#[test]
fn padding_at_the_end_is_no_part_of_a_line() {
    assert_eq!(strip_padding(b"a b \t\r\0\0"), (&b"a b"[..], true));
    assert_eq!(strip_padding(b"\0\0"), (&b""[..], true));
    assert_eq!(strip_padding(b" a"), (&b" a"[..], false));
    // Replayed files have it behind lines that were cut, too.
    assert_eq!(strip_padding(b"a\r"), (&b"a"[..], false));
}
