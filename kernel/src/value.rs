//! Single values: addresses, numbers, protocols, hashes, CVE numbers, domains and clean text.
//!
//! Every function is total on arbitrary bytes and allocates no more than the length of its input.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use wide::u8x16;

/// IANA's reserved protocol number, used for "not said".
pub const UNKNOWN_PROTOCOL: u8 = 255;

pub type Address = [u8; 16];
pub const NO_ADDRESS: Address = [0; 16];

/// The bytes without white space around them.
#[inline]
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    // Nearly no value has any.
    if let [first, .., last] = bytes
        && *first > b' '
        && *last > b' '
    {
        return bytes;
    }
    while let [first, rest @ ..] = bytes {
        if !first.is_ascii_whitespace() {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !last.is_ascii_whitespace() {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// Eight digits as a number (Daniel Lemire, "Quickly parsing eight digits").
#[inline(always)]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(bytes);
    if word & HIGH != ZEROS || word.wrapping_add(0x0606_0606_0606_0606) & HIGH != ZEROS {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

#[inline]
pub fn parse_u64(bytes: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    let (sure, last) = bytes.split_at(bytes.len().min(19));
    let mut value = 0_u64;
    let mut rest = sure;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        value = value * 100_000_000 + eight_digits(*eight)?;
        rest = after;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match last {
        [] => Some(value).filter(|_| !sure.is_empty()),
        [byte @ b'0'..=b'9'] => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// A plain decimal number, for comparing: `7`, `-1.5`.
pub fn parse_decimal(bytes: &[u8]) -> Option<f64> {
    let bytes = trim(bytes);
    // So many digits are a number that has no rounding.
    if bytes.len() <= 15
        && let Some(whole) = parse_u64(bytes)
    {
        return Some(whole as f64);
    }
    let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+');
    if bytes.len() > 32 || !bytes.iter().all(plain) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Address and port of `192.0.2.1:80` and its relatives; IPv6 stands in brackets, or has no port. What follows the port is left.
pub fn endpoint(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let cut = |at: usize| (bytes.get(..at).unwrap_or_default(), port_of(bytes.get(at + 1..).unwrap_or_default()));
    if bytes.first() == Some(&b'[') {
        let close = bytes.iter().position(|&byte| byte == b']').unwrap_or(bytes.len());
        let after = bytes.get(close + 1..).and_then(|rest| rest.split_first());
        let port = after.filter(|(sign, _)| matches!(**sign, b':' | b'/' | b'#' | b'(')).and_then(|(_, rest)| port_of(rest));
        return (bytes.get(1..close).unwrap_or_default(), port);
    }
    if let Some(at) = bytes.iter().position(|byte| matches!(byte, b'/' | b'#' | b'(')) {
        return cut(at);
    }
    let colon = bytes.iter().position(|&byte| byte == b':');
    if let Some(at) = colon {
        let one = bytes.iter().filter(|&&byte| byte == b':').count() == 1;
        return if one || parse_ipv4(&bytes[..at]).is_some() { cut(at) } else { (bytes, None) };
    }
    // `192.0.2.1.80`, as tcpdump writes it.
    match bytes.iter().rposition(|&byte| byte == b'.').filter(|&at| parse_ipv4(&bytes[..at]).is_some()) {
        Some(at) => cut(at),
        None => (bytes, None),
    }
}

fn port_of(rest: &[u8]) -> Option<&[u8]> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(..digits).filter(|port| !port.is_empty() && digits <= 5)
}

pub fn parse_port(bytes: &[u8]) -> Option<u16> {
    u16::try_from(parse_u64(bytes)?).ok()
}

/// At most sixteen bytes as a number, the first one lowest. Two halves, which may overlap, are sooner read than as many bytes as there
/// are.
#[inline(always)]
pub fn sixteen(bytes: &[u8]) -> Option<u128> {
    let length = bytes.len();
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let behind = 128_u32.checked_sub(8 * length as u32)?;
        return Some(u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << 64 >> behind);
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (head, tail) = (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)));
        return Some(u128::from(head | tail << (8 * (length - 4))));
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
    Some(u128::from(byte(0) | byte(1) | byte(2)))
}

#[inline]
fn parse_ipv4(bytes: &[u8]) -> Option<[u8; 4]> {
    if !(7..=15).contains(&bytes.len()) {
        return None;
    }
    // A full stop behind the end makes all four parts alike.
    let text = sixteen(bytes)? | u128::from(b'.') << (8 * bytes.len());
    let lanes = u8x16::new(text.to_le_bytes());
    let within = (1_u32 << (bytes.len() + 1)) - 1;
    let mut stops = lanes.cmp_eq(u8x16::splat(b'.')).move_mask().cast_unsigned() & within;
    let values = lanes ^ u8x16::splat(b'0');
    let digits = values.max(u8x16::splat(9)).cmp_eq(u8x16::splat(9)).move_mask().cast_unsigned() & within;
    if stops | digits != within || stops.count_ones() != 4 {
        return None;
    }
    let values = values.to_array();
    let mut octets = [0; 4];
    let mut from = 0;
    for octet in &mut octets {
        let end = stops.trailing_zeros() as usize;
        stops &= stops - 1;
        let digit = |back: usize| u32::from(values.get(end.wrapping_sub(back) & 15).copied().unwrap_or_default());
        let value = match end - from {
            1 => digit(1),
            2 => digit(1) + 10 * digit(2),
            3 => digit(1) + 10 * digit(2) + 100 * digit(3),
            _ => return None,
        };
        *octet = u8::try_from(value).ok()?;
        from = end + 1;
    }
    Some(octets)
}

/// 16 bytes of an IPv4 (mapped) or IPv6 address; brackets and a zone index are allowed around IPv6.
pub fn parse_address(bytes: &[u8]) -> Option<Address> {
    if let Some(octets) = parse_ipv4(bytes) {
        let mut address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
        address[12..].copy_from_slice(&octets);
        return Some(address);
    }
    if bytes.len() > 64 || !bytes.contains(&b':') {
        return None;
    }
    let bytes = bytes.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(bytes);
    let bytes = bytes.split(|&byte| byte == b'%').next().unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<Ipv6Addr>().ok().map(|parsed| parsed.octets())
}

/// Protocol numbers by the names that logs use (IANA protocol numbers).
const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("igmp", 2),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("sctp", 132),
    ("ipip", 4),
    ("ipinip", 4),
    ("ipv6", 41),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("carp", 112),
];

pub fn parse_protocol(bytes: &[u8]) -> Option<u8> {
    if let Some(number) = parse_u64(bytes) {
        return u8::try_from(number).ok();
    }
    // Nearly all of them.
    match bytes {
        [t, c, p] if t | 0x20 == b't' && c | 0x20 == b'c' && p | 0x20 == b'p' => return Some(6),
        [u, d, p] if u | 0x20 == b'u' && d | 0x20 == b'd' && p | 0x20 == b'p' => return Some(17),
        _ => {}
    }
    PROTOCOLS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(bytes)).map(|&(_, number)| number)
}

pub fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.iter().find(|&&(_, n)| n == number).map(|&(name, _)| name)
}

pub fn parse_sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    if bytes.len() != 64 {
        return None;
    }
    let mut hash = [0_u8; 32];
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let high = char::from(*pair.first()?).to_digit(16)?;
        let low = char::from(*pair.get(1)?).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(hash)
}

/// CVE numbers anywhere in a text, written `CVE-2021-44228`, `cve_2021_44228` or `CVE 2021-44228`; at most `limit`.
pub fn find_cves(text: &[u8], limit: usize, found: &mut Vec<String>) {
    let mut from = 0;
    while found.len() < limit {
        let Some(rest) = text.get(from..) else { break };
        let Some(at) = rest.windows(3).position(|w| w.eq_ignore_ascii_case(b"cve")) else {
            break;
        };
        from += at + 3;
        let Some(number) = text.get(from..).and_then(cve_number) else {
            continue;
        };
        if !found.contains(&number) {
            found.push(number);
        }
    }
}

fn cve_number(rest: &[u8]) -> Option<String> {
    let separator = |byte: &u8| matches!(byte, b'-' | b'_' | b' ' | b':' | b',');
    let year = rest.get(1..5).filter(|_| rest.first().is_some_and(separator))?;
    let year = parse_u64(year).filter(|year| (1999..2100).contains(year))?;
    let serial = rest.get(6..).filter(|_| rest.get(5).is_some_and(separator))?;
    let digits = serial.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    let serial = std::str::from_utf8(serial.get(..digits)?).ok()?;
    (4..=7).contains(&digits).then(|| format!("CVE-{year}-{serial}"))
}

/// The domain of a mailbox (`Name <user@example.org>`). None without an `@`: `jo.smith` alone would be somebody's name.
pub fn domain_of(bytes: &[u8]) -> Option<String> {
    let after = bytes.get(bytes.iter().rposition(|&byte| byte == b'@')? + 1..)?;
    let end = after
        .iter()
        .position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_'))
        .unwrap_or(after.len());
    let domain = after.get(..end)?;
    let rest_is_closing = after[end..].iter().all(|byte| matches!(byte, b'>' | b' ' | b'"' | b')' | b']'));
    let labelled = domain.contains(&b'.') && domain.split(|&byte| byte == b'.').all(|label| !label.is_empty());
    if !rest_is_closing || !labelled || domain.len() > 253 || parse_ipv4(domain).is_some() {
        return None;
    }
    String::from_utf8(domain.to_ascii_lowercase()).ok()
}

/// Characters that change how the text around them is shown, or that no log should carry: controls and bidi marks.
fn unwanted(c: char) -> bool {
    let hidden = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || hidden || matches!(c, '\u{2028}'..='\u{202e}')
}

/// Text made safe to keep: valid UTF-8, no control characters, trimmed, at most `limit` bytes.
pub fn clean_text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let bytes = trim(bytes);
    let bytes = bytes.get(..bytes.len().min(limit.saturating_mul(4))).unwrap_or(bytes);
    let text = match bytes.is_ascii() && !bytes.iter().any(u8::is_ascii_control) {
        true => String::from_utf8_lossy(bytes),
        false => Cow::Owned(String::from_utf8_lossy(bytes).chars().filter(|&c| !unwanted(c)).collect()),
    };
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text {
        Cow::Borrowed(borrowed) => Cow::Borrowed(&borrowed[..end]),
        Cow::Owned(mut owned) => {
            owned.truncate(end);
            Cow::Owned(owned)
        }
    }
}

#[cfg(test)]
mod tests;
