//! Who wrote a line, by its header: so that the devices behind one relay are told apart.
//!
//! Total on any bytes. The lines keep their order within a host. What is no name of a host is none.

use crate::decode::lines;
use crate::header;
use crate::time::Context;

/// Told apart in one buffer; a relay has a few devices behind it. The lines of further ones count as without a host.
const MOST_HOSTS: usize = 64;
/// Headers' times are read on the way to the host, and need a year; which one tells nothing here.
const SOME_TIME: i64 = 1_767_225_600_000; // 2026-01-01
const LONGEST_NAME: usize = 64;

/// A buffer's lines by the host that their headers name, in the order in which hosts are first seen; each line ended by a newline.
/// Lines without a host belong to the only one that is named, or to the empty name.
pub fn by_host(buffer: &[u8]) -> Vec<(String, Vec<u8>)> {
    let context = &Context { reference: SOME_TIME, offset: 0 };
    let mut names: Vec<&[u8]> = Vec::new();
    let mut of_line = Vec::new();
    for line in lines(buffer) {
        let host = host_of(line, context);
        let place = (!host.is_empty()).then(|| names.iter().rposition(|known| *known == host)).flatten();
        of_line.push(match place {
            None if !host.is_empty() && names.len() < MOST_HOSTS => {
                names.push(host);
                names.len()
            }
            place => place.map_or(0, |place| place + 1),
        });
    }
    if names.len() < 2 {
        let name = names.first().map_or(String::new(), |name| String::from_utf8_lossy(name).into_owned());
        return vec![(name, Vec::new())];
    }
    let mut groups: Vec<Vec<u8>> = vec![Vec::new(); names.len() + 1];
    for (line, place) in lines(buffer).zip(of_line) {
        if let Some(group) = groups.get_mut(place) {
            group.extend_from_slice(line);
            group.push(b'\n');
        }
    }
    let names = std::iter::once(String::new()).chain(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()));
    names.zip(groups).filter(|(_, group)| !group.is_empty()).collect()
}

/// Only syslog's own header is believed, which begins with a priority: what a log file has behind its time may be anything.
fn host_of<'l>(line: &'l [u8], context: &Context) -> &'l [u8] {
    let header = matches!(line, [b'<', b'0'..=b'9', ..]).then(|| header::parse(line, context));
    header.map(|header| header.host).filter(|host| is_name(host)).unwrap_or_default()
}

/// Letters, digits, and what joins them; a number alone is more likely a count or a year.
fn is_name(host: &[u8]) -> bool {
    !host.is_empty()
        && host.len() <= LONGEST_NAME
        && host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
        && host.iter().any(u8::is_ascii_alphabetic) | host.contains(&b'.') | host.contains(&b':')
        && host.first().is_some_and(u8::is_ascii_alphanumeric)
}
