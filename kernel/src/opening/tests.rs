use super::*;
use crate::header::{parse, parse_traced};
use crate::recognise::{Recogniser, Wanted};

const CONTEXT: Context = Context { reference: 1_795_003_200_000, offset: 0 };

/// Lines of many makes; what stands behind the bar is longer than any opening's last bytes.
const LINES: [&str; 18] = [
    "<189>date=2026-11-13 time=00:00:12 devname=\"FGT\" devid=\"FG100F\" eventtime=1794528012842215636",
    "<134>Nov 18 09:15:00 filterlog[31337]: 4,,,1000000103,igb0,match,block,in,4,0x0,,244,54321,0,none,6",
    "<4>Nov 13 00:00:21 www kernel: [259200.064075] [UFW BLOCK] IN=eth0 OUT= MAC=02:00:5e:00:53:0a:02:00",
    "<166>Nov 13 2026 00:00:22 wexcombe-asa : %ASA-4-106023: Deny icmp src outside:198.18.91.21 dst dmz:198",
    "<166>:Nov 18 09:15:00 UTC: %ASA-6-302013: Built outbound TCP connection 1 for outside:198.18.91.21/44",
    "<166>123: *Nov 18 09:15:00.123: %SEC-6-IPACCESSLOGP: list 101 denied tcp 198.18.1.1(1) -> 192.0.2.1(22)",
    "<13>1 2026-11-18T09:15:00.123456+01:00 gw.example.org app 7 id9 [a@1 b=\"c d\"] message and much more of it",
    "<13>1 2026-11-18T09:15:00Z - - - - - message and much more of it, and more, and more, and more of it",
    "<30>Nov 18 09:15:00 relay <134>Nov 18 09:14:59 gw app[12]: message and much more of it, and more of it",
    "[192.0.2.1] <134>Nov 18 09:15:00 gw app[12]: message and much more of it, and more, and more, and more",
    "2026-11-18T10:15:00.000+01:00 gw x: message and much more of it, and more, and more, and more of that",
    "Nov 18 09:15:00 2001:db8::1 app: message and much more of it, and more, and more, and more of all that",
    "<134>Nov 18 09:15:00 NAME (2026-11-18T09:15:00) firewall: msg_id=\"3000-0148\" Deny 1-Trusted and much more",
    "Wed Nov 18 2026 09:15:00 Local7.Notice 192.0.2.1 app: message and much more of it, and more, and more of it",
    "<134>Nov 18 09:15:00 AM gw app: message and much more of it, and more, and more, and more of that, too",
    "{\"timestamp\":\"2026-11-18T09:15:00.000000+0000\",\"event_type\":\"alert\",\"src_ip\":\"198.18.1.2\",\"dest_ip\":1}",
    "198.18.1.2 - - [18/Nov/2026:09:15:00 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"Mozilla/5.0 and much more of it\"",
    "<5>gw01 kernel: DROP IN=eth0 OUT= SRC=198.18.1.1 DST=192.0.2.1 LEN=40 TOS=0x00 PREC=0x00 TTL=245 ID=54321",
];

fn recogniser() -> Result<Recogniser, String> {
    let wanted = |begins: &str| Wanted {
        direct: true,
        fallback: false,
        noise: false,
        begins: vec![begins.as_bytes().into()],
        contains: Vec::new(),
        programs: Vec::new(),
        programs_only: false,
        locate: None,
    };
    Recogniser::new(["date=", "%ASA-", "[UFW", "4,,,1", "{\"t", "message"].map(wanted).into())
}

fn opening(line: &[u8]) -> Option<Opening> {
    let mut trace = Trace::default();
    let header = parse_traced(line, &CONTEXT, &mut trace);
    let choice = recogniser().ok()?.choice(line, &header, &mut trace);
    Opening::new(line, &header, &trace, choice)
}

type Told<'a> = (SmallVec<[usize; 8]>, Option<i64>, &'a [u8], &'a [u8], &'a [u8]);

fn told<'a>(header: Header<'a>) -> Told<'a> {
    (header.starts, header.time, header.host, header.program, header.msgid)
}

fn asked(line: &[u8], header: &Header) -> Result<Vec<(usize, Vec<usize>)>, String> {
    let choice = recogniser()?.choice(line, header, &mut Trace::default());
    Ok(choice.asked.iter().map(|asked| (asked.line, asked.starts.to_vec())).collect())
}

/// A number that looks like chance (Knuth's generator).
fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

#[test]
fn what_an_opening_tells_is_what_reading_tells() {
    let mut seed = 7;
    let mut found = 0;
    let bytes = b"0123456789012345678901234567890123456789 :.-<>[](),=%TZ+Aaz\"*";
    for line in LINES {
        let Some(opening) = opening(line.as_bytes()) else { continue };
        for round in 0..20_000 {
            let mut other = line.as_bytes().to_vec();
            for _ in 0..=round % 4 {
                let at = next(&mut seed) % other.len().min(100);
                other[at] = bytes[next(&mut seed) % bytes.len()];
            }
            if round % 7 == 0 {
                other.truncate(next(&mut seed) % other.len());
            }
            if let Some(header) = opening.header(&other, &CONTEXT) {
                found += 1;
                let read = parse(&other, &CONTEXT);
                let text = String::from_utf8_lossy(&other);
                assert_eq!(asked(&other, &read), asked(line.as_bytes(), &parse(line.as_bytes(), &CONTEXT)), "{text}");
                assert_eq!(told(header), told(read), "{text}");
            }
        }
    }
    assert!(found > 20_000, "only {found} lines began as another did");
}

#[test]
fn the_time_of_day_is_read_and_other_digits_need_not_be_the_same() {
    for (line, other) in [
        (LINES[1], LINES[1].replace("09:15:00", "23:59:07").replace("31337", "20001")),
        (LINES[2], LINES[2].replace("00:00:21", "17:12:59").replace("259200.064075", "999999.123456")),
        (LINES[3], LINES[3].replace("00:00:22", "17:12:60").replace("106023", "302014")),
        (LINES[6], LINES[6].replace("09:15:00.123456", "00:59:07.999999")),
        (LINES[8], LINES[8].replace("09:15:00", "00:59:07").replace("09:14:59", "00:59:06")),
    ] {
        let header = opening(line.as_bytes()).and_then(|opening| opening.header(other.as_bytes(), &CONTEXT).map(told));
        assert_eq!(header, Some(told(parse(other.as_bytes(), &CONTEXT))), "{other}");
    }
    for (line, other) in [
        (LINES[1], LINES[1].replace("09:15:00", "24:15:00")),
        (LINES[1], LINES[1].replace("Nov 18", "Nov 17")),
        (LINES[6], LINES[6].replace("+01:00", "+02:00")),
    ] {
        assert!(opening(line.as_bytes()).is_some_and(|opening| opening.header(other.as_bytes(), &CONTEXT).is_none()), "{other}");
    }
}

/// A year that is not said depends on when the line was received.
#[test]
fn a_year_is_not_remembered_for_longer_than_it_is_sure() {
    const DAYS: i64 = 86_400_000;
    let line = LINES[1].as_bytes();
    for days in [-400, -300, -3, -1, 0, 1, 200, 360, 380, 800] {
        let later = Context { reference: CONTEXT.reference + days * DAYS, ..CONTEXT };
        let header = opening(line).and_then(|opening| opening.header(line, &later).map(told));
        assert!(header.is_none() || header == Some(told(parse(line, &later))), "{days} days later");
        assert_eq!(header.is_some(), (0..364).contains(&days), "{days} days later");
    }
}

#[test]
fn openings_are_kept_for_what_comes_again_and_are_bounded() {
    let mut openings = Openings::default();
    let line = LINES[1].as_bytes();
    assert!(openings.find(line, &CONTEXT).is_none());
    assert!(!openings.worthy(line), "met once");
    assert!(openings.worthy(line), "met twice");
    opening(line).into_iter().for_each(|opening| openings.keep(line, opening));
    assert!(openings.find(line, &CONTEXT).is_some());
    let mut made = 0;
    for number in 0..10_000 {
        let host = format!(
            "<134>Nov 18 09:15:00 {} app: message and much more of it",
            char::from(b'a' + (number % 26) as u8).to_string().repeat(1 + number / 26 % 90)
        );
        for _ in 0..2 {
            if openings.find(host.as_bytes(), &CONTEXT).is_none() && openings.worthy(host.as_bytes()) {
                made += 1;
                opening(host.as_bytes()).into_iter().for_each(|opening| openings.keep(host.as_bytes(), opening));
            }
        }
    }
    assert!((MOST_AT_ONCE..=20_000 / LINES_FOR_ONE + MOST_AT_ONCE).contains(&made), "{made} were made");
    assert!(openings.sets.iter().flatten().flatten().count() <= SETS * WAYS);
    openings.in_zone(3600);
    assert!(openings.find(line, &CONTEXT).is_none(), "times without a zone are others now");
}
