use super::*;

#[test]
fn quotation_marks_open_and_close() {
    for (text, open) in
        [("x ", false), ("\"x ", true), ("\"a\" ", false), ("\"a\\\" ", true), ("\"a\\\\\" ", false), ("a=\"b\" \"c", true)]
    {
        assert_eq!(inside_quotes(text.as_bytes(), text.len()), open, "{text}");
    }
}

fn wanted(begins: &[&str], contains: &[&[&str]]) -> Wanted {
    let boxed = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().into()).collect();
    Wanted {
        direct: false,
        fallback: false,
        noise: false,
        begins: boxed(begins),
        contains: contains.iter().map(|group| boxed(group)).collect(),
        programs: Vec::new(),
        programs_only: false,
        locate: None,
    }
}

#[test]
fn a_line_that_nothing_distinguishes_is_refused() {
    assert!(Recogniser::new(vec![wanted(&[], &[])]).is_err());
    assert!(Recogniser::new(vec![wanted(&[""], &[])]).is_err());
    assert!(Recogniser::new(vec![wanted(&["x"], &[])]).is_ok());
}

#[test]
fn candidates_come_in_the_order_of_preference_and_once() -> Result<(), String> {
    let recogniser = Recogniser::new(vec![wanted(&["zz"], &[]), wanted(&["a"], &[&["longest literal"]]), wanted(&["aa"], &[])])?;
    let mut found = Vec::new();
    recogniser.candidates(b"aaa longest literal zz aa zz", &mut found);
    assert_eq!(found, [0, 1, 2]);
    recogniser.candidates(b"", &mut found);
    assert!(found.is_empty());
    Ok(())
}

/// Else a long value, which a stranger may have written, would hide what stands behind it.
#[test]
fn literals_are_found_however_far_inside_a_line_they_stand() -> Result<(), String> {
    let recogniser = Recogniser::new(vec![wanted(&["literal"], &[])])?;
    let mut found = Vec::new();
    recogniser.candidates(format!("{}literal", "x".repeat(60_000)).as_bytes(), &mut found);
    assert_eq!(found, [0]);
    Ok(())
}

fn direct(begins: &[&str]) -> Wanted {
    Wanted { direct: true, fallback: false, ..wanted(begins, &[]) }
}

#[test]
fn lines_of_direct_packs_come_first_and_are_found_by_how_they_begin() -> Result<(), String> {
    let context = crate::time::Context { reference: 0, offset: 0 };
    let last = Wanted { fallback: true, ..wanted(&["x"], &[]) };
    let all = vec![last, wanted(&["xa"], &[]), direct(&["xbcd1", "yb"]), direct(&["xbcd2", "xb"])];
    let recogniser = Recogniser::new(all)?;
    let header = |text: &'static str| crate::header::parse(text.as_bytes(), &context);
    let mut found = Vec::new();
    recogniser.candidates(b"xa xbcd1 xbcd2", &mut found);
    assert_eq!(found, [1, 0]);
    for (text, lines) in
        [("<1>yb", &[2][..]), ("xbcd2", &[3]), ("xb", &[3]), ("xbc", &[3]), ("x", &[]), ("z xb", &[]), ("<1>xbcd1", &[2, 3])]
    {
        recogniser.direct(text.as_bytes(), &header(text), &mut found);
        assert_eq!(found, lines, "{text}");
    }
    Ok(())
}

#[test]
fn many_lines_that_begin_alike_are_told_apart_by_what_they_contain() -> Result<(), String> {
    let context = crate::time::Context { reference: 1_795_003_200_000, offset: 0 };
    let mut all: Vec<Wanted> =
        (0..=MOST_ALIKE).map(|n| Wanted { direct: true, ..wanted(&["xxxx"], &[&[&format!("key{n}")]]) }).collect();
    all.push(direct(&["xxxx"]));
    let recogniser = Recogniser::new(all)?;
    let mut found = Vec::new();
    for (text, lines) in [
        ("xxxx key3 key1", &[1, 3, MOST_ALIKE + 1][..]),
        ("<1>Nov 18 09:15:00 gw key3: xxxx", &[3, MOST_ALIKE + 1]),
        ("xxxx", &[MOST_ALIKE + 1]),
        ("key3 xxxx", &[]),
    ] {
        recogniser.direct(text.as_bytes(), &crate::header::parse(text.as_bytes(), &context), &mut found);
        assert_eq!(found, lines, "{text}");
    }
    Ok(())
}

#[test]
fn programs_are_known_in_any_case() -> Result<(), String> {
    let context = crate::time::Context { reference: 0, offset: 0 };
    let own = Wanted { direct: true, programs: vec![(*b"Daemon").into()], ..wanted(&[], &[&["literal"]]) };
    let recogniser = Recogniser::new(vec![own])?;
    let mut found = Vec::new();
    for (text, lines) in [("<1>daemon[7]: x", &[0][..]), ("<1>DAEMON: x", &[0]), ("<1>daemons: x", &[]), ("literal", &[])] {
        recogniser.direct(text.as_bytes(), &crate::header::parse(text.as_bytes(), &context), &mut found);
        assert_eq!(found, lines, "{text}");
    }
    recogniser.candidates(b"literal", &mut found);
    assert_eq!(found, [0], "without a header its program is not known");
    Ok(())
}

#[test]
fn a_line_that_must_have_its_program_is_not_found_without_one() -> Result<(), String> {
    let context = crate::time::Context { reference: 0, offset: 0 };
    let own = |programs_only| Wanted {
        direct: true,
        programs: vec![(*b"daemon").into()],
        programs_only,
        ..wanted(&[], &[&["literal"]])
    };
    let recogniser = Recogniser::new(vec![own(true), own(false)])?;
    let mut found = Vec::new();
    recogniser.candidates(b"literal", &mut found);
    assert_eq!(found, [1]);
    for (text, lines) in [("literal", [false, true]), ("<1>daemon: literal", [true, true]), ("<1>other: literal", [false, false])]
    {
        let header = crate::header::parse(text.as_bytes(), &context);
        let taken = [0, 1].map(|line| recogniser.place(line, text.as_bytes(), &header, &mut |_| true));
        assert_eq!(taken, lines, "{text}");
    }
    Ok(())
}

/// Else whoever writes a product's name into another's line hides that line.
#[test]
fn what_says_nothing_of_traffic_is_asked_after_what_does() -> Result<(), String> {
    let idle = |begins: &[&str]| Wanted { noise: true, ..wanted(begins, &[&["word"]]) };
    let recogniser = Recogniser::new(vec![idle(&[]), wanted(&[], &[&["text"]]), idle(&["word"])])?;
    let mut found = Vec::new();
    recogniser.candidates(b"word text", &mut found);
    assert_eq!(found, [1, 2, 0]);
    Ok(())
}
