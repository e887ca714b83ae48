use super::*;

/// 2026-11-18T12:00:00Z
const NOON: i64 = 1_795_003_200_000;
const DAY: i64 = 86_400_000;

fn at(reference: i64) -> Context {
    Context { reference, offset: 0 }
}

fn read(text: &str) -> Option<i64> {
    parse(text.as_bytes(), &at(NOON))
}

#[test]
fn every_way_to_write_one_moment_gives_it() {
    for text in [
        "1795003200",
        "1795003200.000",
        "1795003200000",
        "1795003200000000",
        "1795003200000000000",
        "2026-11-18T12:00:00Z",
        "2026-11-18T12:00:00.000Z",
        "2026-11-18T12:00:00",
        "2026-11-18 12:00:00",
        "2026/11/18 12:00:00",
        "2026:11:18-12:00:00",
        "2026-11-18T13:00:00+01:00",
        "2026-11-18T13:00:00+0100",
        "2026-11-18T06:30:00.000-0530",
        "2026-11-18T12:00:00+00:00Z",
        "Nov 18 12:00:00",
        "nov 18 12:00:00",
        "Nov 18 2026 12:00:00",
        "Nov 18 12:00:00 2026",
        "Nov 18 12:00:00 UTC",
        "Nov 18 12:00:00 GMT",
        "Wed Nov 18 12:00:00 2026",
        "Wed, Nov 18 2026 12:00:00",
        "2026 Nov 18 12:00:00",
        "18/Nov/2026:12:00:00 +0000",
        "18-Nov-2026 12:00:00",
        "18-Nov-2026, 12:00:00",
        " 2026-11-18T12:00:00Z ",
        "Wed, 18 Nov 2026 12:00:00 +0000",
        "18Nov2026 12:00:00",
        "2026-11-18 12:00:00 PM",
        "Nov 18 2026 13:00:00 CET",
        "Wed Nov 18 13:00:00 BST 2026",
        "2026-11-18 07:00:00 EST",
        "2026-11-18 17:30:00 UTC+05:30",
        "2026-11-18 14:00:00 GMT+2",
        "20261118T120000Z",
        "20261118120000",
        "20261118-12:00:00.000",
        "134394768000000000",
    ] {
        assert_eq!(read(text), Some(NOON), "{text}");
    }
}

#[test]
fn dates_of_bare_numbers_are_read_only_in_the_order_that_the_product_has() {
    let read_as = |text: &str, order| parse_as(text.as_bytes(), Some(order), &at(NOON));
    for text in
        ["11/18/2026 12:00:00", "11/18/26 12:00:00 PM", "11/18-12:00:00.000", "11/18/2026, 12:00:00", "11-18-2026T12:00:00Z"]
    {
        assert_eq!(read_as(text, Order::Month), Some(NOON), "{text}");
        assert_eq!(read(text), None, "{text}");
    }
    for text in ["18.11.2026 12:00:00", "18/11/26-12:00:00", "18/11/2026 1:00:00 +01:00"] {
        assert_eq!(read_as(text, Order::Day), Some(if text.contains('+') { NOON - DAY / 2 } else { NOON }), "{text}");
        assert_eq!(read(text), None, "{text}");
        assert_eq!(read_as(text, Order::Month), None, "{text}");
    }
    assert_eq!(read_as("2026-11-18T12:00:00Z", Order::Day), Some(NOON));
}

#[test]
fn halves_of_the_day_and_zones_of_many_places() {
    assert_eq!(read("2026-11-18 12:00:00 AM"), Some(NOON - DAY / 2));
    assert_eq!(read("2026-11-18 1:30:00.5 pm"), Some(NOON + 5_400_500));
    for text in ["2026-11-18 13:00:00 PM", "2026-11-18 0:00:00 AM", "2026-11-18 12:00:00 CST", "2026-11-18 12:00:00 XYZ"] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(scan(b"Nov 18 12:00:00 EST-router x", &at(NOON)).map(|found| found.used), Some(15));
}

#[test]
fn fractions_keep_milliseconds_however_long_they_are() {
    assert_eq!(read("2026-11-18T12:00:00.123456789Z"), Some(NOON + 123));
    assert_eq!(read("2026-11-18T12:00:00,5Z"), Some(NOON + 500));
    assert_eq!(read("1795003200.1234"), Some(NOON + 123));
    assert_eq!(read("1795003200123456"), Some(NOON + 123));
    let long = format!("2026-11-18T12:00:00.{}Z", "9".repeat(5_000));
    assert_eq!(read(&long), Some(NOON + 999));
}

#[test]
fn what_no_calendar_or_clock_has_is_refused() {
    for text in [
        "2026-02-30T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:61:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "Feb 30 10:00:00",
        "Foo 10 10:00:00",
        "2026-11-18",
        "2026-11-18T12:00:00Z and more",
        "",
        "-1",
        "0",
        "12345",
        "99999999999999999999999999",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn leap_days_are_days() {
    assert_eq!(read("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    assert_eq!(read("2000-02-29T00:00:00Z"), Some(951_782_400_000));
    // Without a year: the latest year that had one.
    assert_eq!(read("Feb 29 00:00:00"), Some(1_709_164_800_000));
}

#[test]
fn a_missing_year_never_puts_a_line_into_the_future() {
    let march = parse(b"Mar 05 00:00:00", &at(NOON));
    assert_eq!(march, Some(1_772_668_800_000), "of this year, though next year's is nearer");
    let new_year = 1_798_761_600_000; // 2027-01-01T00:00:00Z
    assert_eq!(parse(b"Dec 31 23:59:59", &at(new_year)), Some(new_year - 1000));
    assert_eq!(parse(b"Dec 25 00:00:00", &at(new_year)), Some(new_year - 7 * DAY));
    // A clock that is a little fast is still of this year.
    assert_eq!(parse(b"Jan 01 00:00:05", &at(new_year - 1000)), Some(new_year + 5000));
}

#[test]
fn a_zoneless_time_is_in_the_callers_offset() {
    let context = Context { reference: NOON, offset: 3600 };
    assert_eq!(parse(b"2026-11-18T13:00:00", &context), Some(NOON));
    assert_eq!(parse(b"Nov 18 13:00:00", &context), Some(NOON));
    assert_eq!(parse(b"2026-11-18T12:00:00Z", &context), Some(NOON));
    assert_eq!(parse(b"1795003200", &context), Some(NOON));
}

#[test]
fn absurd_times_of_receipt_stop_nothing() {
    for reference in [i64::MIN, -1, 0, i64::MAX] {
        for offset in [i32::MIN, i32::MAX] {
            let context = Context { reference, offset };
            let _ = parse(b"Nov 18 12:00:00", &context);
            let _ = parse(b"2026-11-18T12:00:00", &context);
        }
    }
}

#[test]
fn scan_tells_how_much_it_took() {
    assert_eq!(scan(b"Nov 18 12:00:00 host", &at(NOON)), Some(Scanned { time: Some(NOON), used: 15 }));
    assert_eq!(scan(b"2026-11-18T12:00:00.5Z rest", &at(NOON)), Some(Scanned { time: Some(NOON + 500), used: 22 }));
    assert_eq!(scan(b"Nov 18 2026 12:00:00: %", &at(NOON)), Some(Scanned { time: Some(NOON), used: 20 }));
}

#[test]
fn days_and_years_agree_for_four_centuries() {
    for year in 1980..2200 {
        let first = days(year, 1, 1) * DAY;
        assert_eq!(year_of(first), year);
        assert_eq!(year_of(first - 1), year - 1);
        let length = if days_in_month(year, 2) == 29 { 366 } else { 365 };
        assert_eq!(days(year + 1, 1, 1) - days(year, 1, 1), length);
    }
}
