//! Syslog headers: RFC 5424, RFC 3164, what vendors make of them, relays' extra ones, and none at all.
//!
//! The parser never decides where the message begins: it gives every place where one may begin (`starts`), and a pack's own
//! literal must stand exactly at one of them. Text further inside a line, which a stranger may have written, is therefore never
//! taken for the beginning of a message.

use crate::time::{self, Context, Scanned};
use smallvec::SmallVec;
pub use trace::{TimeOfDay, Trace};

mod rfc5424;
mod trace;

pub struct Header<'a> {
    /// Offsets at which the message may begin, rising.
    pub starts: SmallVec<[usize; 8]>,
    pub time: Option<i64>,
    pub host: &'a [u8],
    pub program: &'a [u8],
    /// RFC 5424 only.
    pub msgid: &'a [u8],
}

/// Relays nest headers; two inside the first are as many as are seen in the field.
const MOST_NESTED: usize = 3;
const LONGEST_HOST: usize = 255;
const LONGEST_PROGRAM: usize = 64;
const LONGEST_ADDRESS: usize = 48;
/// RFC 5424, table 1, as syslog servers abbreviate it; `local` has a digit behind it.
const LEVELS: [&[u8]; 11] =
    [b"emerg", b"alert", b"crit", b"critical", b"err", b"error", b"warn", b"warning", b"notice", b"info", b"debug"];
const FACILITIES: [&[u8]; 8] = [b"kernel", b"user", b"mail", b"daemon", b"auth", b"syslog", b"cron", b"local"];

const KERNEL: &[u8] = b"kernel: ";
/// So many bytes behind a time say whether it is the header's.
const BEHIND_TIME: usize = 3;
const BEHIND_HOST: &[u8] = b" : %";

struct Parser<'a, 't> {
    line: &'a [u8],
    at: usize,
    header: Header<'a>,
    trace: &'t mut Trace,
}

pub fn parse<'a>(line: &'a [u8], context: &Context) -> Header<'a> {
    parse_traced(line, context, &mut Trace::default())
}

/// As `parse`; says what it rested on.
pub fn parse_traced<'a>(line: &'a [u8], context: &Context, trace: &mut Trace) -> Header<'a> {
    let header = Header { starts: SmallVec::new(), time: None, host: b"", program: b"", msgid: b"" };
    let mut parser = Parser { line, at: 0, header, trace };
    parser.trace.see(3);
    if line.starts_with(b"\xef\xbb\xbf") {
        parser.at = 3;
    }
    parser.mark();
    for _ in 0..MOST_NESTED {
        if !parser.one(context) {
            break;
        }
    }
    parser.header
}

/// What was looked at in vain for a time.
fn untaken(text: &[u8], context: &Context) -> time::Seen {
    let mut seen = time::Seen::default();
    let _ = time::scan_seen(text, context, &mut seen);
    seen
}

impl<'a> Parser<'a, '_> {
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn mark(&mut self) {
        self.trace.see(self.at + 1);
        if self.header.starts.last() != Some(&self.at) && self.at < self.line.len() {
            self.header.starts.push(self.at);
        }
    }

    fn skip(&mut self, wanted: &[u8]) {
        while self.rest().first().is_some_and(|byte| wanted.contains(byte)) {
            self.at += 1;
        }
        self.trace.see(self.at + 1);
    }

    /// A time at the start of what stands at `at`.
    fn time_at(&mut self, at: usize, context: &Context, wanted: impl Fn(&[u8]) -> bool) -> Option<Scanned> {
        let text = self.line.get(at..).unwrap_or_default();
        let mut seen = time::Seen::default();
        let scanned = time::scan_seen(text, context, &mut seen);
        let found = scanned.filter(|found| text.get(found.used..).is_some_and(&wanted));
        self.trace.time(at, seen, found.is_some());
        self.trace.see(scanned.map_or(at, |found| at + found.used + BEHIND_TIME));
        found
    }

    /// Programs are told apart by all of their names.
    fn name_program(&mut self, at: usize, name: &'a [u8]) {
        self.trace.see_exactly(at, at + name.len());
        self.header.program = name;
    }

    /// One header; true when another may follow it.
    fn one(&mut self, context: &Context) -> bool {
        self.relay();
        let had_priority = self.priority();
        self.trace.see(self.at + 2);
        if self.line.get(self.at + 1) == Some(&b' ') {
            self.trace.see_exactly(self.at, self.at + 1);
        }
        if self.rest().starts_with(b"1 ") && self.rfc5424(had_priority, context) {
            self.trace.see(self.at + 1);
            // Only what no program signed may be a relayed line: else it may be text that a stranger chose.
            return self.header.program.is_empty() && self.rest().first() == Some(&b'<');
        }
        self.sequence_number();
        let had_time = self.timestamp(context);
        if had_time {
            self.facility();
        }
        let had_host = had_time && self.host();
        if had_host && self.rest_of_rfc5424() {
            return false;
        }
        if had_host {
            self.sequence_number();
        }
        self.time_in_brackets(context);
        let had_program = self.program() || (had_priority && !had_time && self.kernel_without_time());
        if had_program || !had_time {
            self.ciscos_own_time(context);
        }
        self.trace.see(self.at + 1);
        (had_time && had_host && !had_program) && matches!(self.rest().first(), Some(b'<' | b'0'..=b'9' | b'A'..=b'Z'))
    }

    /// `host kernel: ` straight behind the priority, as routers write that tell no time.
    fn kernel_without_time(&mut self) -> bool {
        let (before, host) = (self.at, self.header.host);
        if self.host() {
            self.trace.see(self.at + KERNEL.len());
            if self.rest().starts_with(KERNEL) {
                return self.program();
            }
        }
        self.at = before;
        self.header.host = host;
        self.header.starts.retain(|start| *start <= before);
        false
    }

    /// `(2026-11-18T09:15:00) program: ` and `NAME (2026-11-18T09:15:00) program: `: WatchGuard's own name and time, which is UTC.
    fn time_in_brackets(&mut self, context: &Context) {
        let rest = self.rest();
        let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'.' | b'-' | b'_');
        let name = rest.iter().take(LONGEST_PROGRAM - 2).take_while(plain).count();
        let open = name + usize::from(name > 0 && rest.get(name) == Some(&b' '));
        self.trace.see(self.at + open + 1);
        if rest.get(open) != Some(&b'(') || (name > 0 && open == name) {
            return;
        }
        let within = self.at + open + 1;
        if let Some(found) = self.time_at(within, &Context { offset: 0, ..*context }, |after| after.starts_with(b") ")) {
            self.header.time = found.time;
            self.at = within + found.used + 2;
            self.mark();
        }
    }

    /// `host: Nov 18 09:15:00.123: %…` behind a relay's header, and `host : %…` without any time. The device's own time counts.
    fn ciscos_own_time(&mut self, context: &Context) {
        let rest = self.rest();
        // A program with a process number is no device: what it writes may be a stranger's.
        if crate::value::trim(self.line.get(..self.at).unwrap_or_default()).ends_with(b"]:") {
            return;
        }
        let star = usize::from(rest.starts_with(b"*"));
        self.trace.see(self.at + 1);
        let timed = rest.get(star..).and_then(|text| time::scan(text, context)).map(|found| found.used);
        if timed.is_some_and(|used| used < LONGEST_HOST) {
            if let Some(found) = self.time_at(self.at + star, context, |after| after.starts_with(b": %")) {
                self.at += star + found.used + 2;
                self.header.time = found.time;
                self.mark();
            }
            return;
        }
        self.trace.time(self.at + star, untaken(rest.get(star..).unwrap_or_default(), context), false);
        let host = |byte: &&u8| byte.is_ascii_graphic() && !matches!(**byte, b'%' | b'=' | b',' | b'"' | b'{');
        let end = rest.iter().take(LONGEST_HOST - 4).take_while(host).count();
        self.trace.see(self.at + end + BEHIND_HOST.len());
        if end > 0 && rest.get(end..).is_some_and(|after| after.starts_with(BEHIND_HOST)) {
            self.header.host = rest.get(..end).unwrap_or_default();
            self.at += end + 3;
            self.mark();
        }
    }

    /// An address or a message's length in front of a priority, `[192.0.2.1] <13>…`, as relays and RFC 6587 put them.
    fn relay(&mut self) {
        let rest = self.rest();
        if rest.first() == Some(&b'<') {
            return;
        }
        let plain = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'[' | b']');
        let token = rest.iter().take(LONGEST_ADDRESS).take_while(plain).count();
        let after = rest.get(token..).unwrap_or_default();
        self.trace.see(self.at + token + 3);
        if token > 0 && after.starts_with(b" <") && after.get(2).is_some_and(u8::is_ascii_digit) {
            self.at += token + 1;
            self.mark();
        }
    }

    fn priority(&mut self) -> bool {
        let rest = self.rest();
        let end = rest.iter().take(5).position(|&byte| byte == b'>');
        self.trace.see(self.at + end.map_or(5, |end| end + 1));
        let Some(end) = end else {
            return false;
        };
        let digits = rest.get(1..end).unwrap_or_default();
        if rest.first() != Some(&b'<') || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return false;
        }
        self.at += end + 1;
        self.skip(b" ");
        self.mark();
        true
    }

    /// Cisco devices put a message counter, and `*` or `.` for an unsynchronised clock, before the time.
    fn sequence_number(&mut self) {
        let rest = self.rest();
        let digits = rest.iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
        self.trace.see(self.at + digits + 2);
        if digits > 0 && rest.get(digits..digits + 2) == Some(b": ") {
            self.at += digits + 2;
        }
        self.skip(b":*. ");
        self.mark();
    }

    fn timestamp(&mut self, context: &Context) -> bool {
        let ends = |after: &[u8]| matches!(after.first(), None | Some(b' ' | b':' | b'\t'));
        let Some(found) = self.time_at(self.at, context, ends) else {
            return false;
        };
        self.at += found.used;
        self.header.time = found.time;
        self.skip(b": \t");
        self.mark();
        true
    }

    /// `Local7.Notice`, which files of Windows' syslog servers hold in place of the priority.
    fn facility(&mut self) {
        let rest = self.rest();
        let end = rest.iter().take(LONGEST_PROGRAM).position(|byte| matches!(byte, b' ' | b'\t'));
        self.trace.see(self.at + end.map_or(LONGEST_PROGRAM, |end| end + 1));
        let end = end.unwrap_or(0);
        let mut halves = rest.get(..end).unwrap_or_default().splitn(2, |&byte| byte == b'.');
        let (name, level) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let name = name.strip_suffix(&[name.last().copied().filter(u8::is_ascii_digit).unwrap_or_default()]).unwrap_or(name);
        let known = FACILITIES.iter().any(|facility| facility.eq_ignore_ascii_case(name));
        if known && LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            self.at += end;
            self.skip(b" \t");
            self.mark();
        }
    }

    fn host(&mut self) -> bool {
        let rest = self.rest();
        // `>`: archives of OSSEC and Wazuh write `collector->device`.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'>');
        let end = rest.iter().take(LONGEST_HOST - 1).take_while(|byte| plain(byte)).count();
        let token = rest.get(..end).unwrap_or_default();
        self.trace.see(self.at + end + 1);
        let begins = token.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'/' | b'.'));
        if !begins || !matches!(rest.get(end), Some(b' ' | b'\t')) || token.ends_with(b":") {
            return false;
        }
        self.header.host = token;
        self.at += end;
        self.skip(b" :\t");
        self.mark();
        true
    }

    /// `name[pid]: `, `name: ` or, as pf's log does, `name ` is not one.
    fn program(&mut self) -> bool {
        let rest = self.rest();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b'(' | b')');
        let name = rest.iter().take(LONGEST_PROGRAM).take_while(|byte| plain(byte)).count();
        let mut end = name;
        self.trace.see(self.at + end + 1);
        if rest.get(end) == Some(&b'[') {
            let digits = rest.iter().skip(end + 1).take(12).take_while(|byte| byte.is_ascii_digit()).count();
            self.trace.see(self.at + end + digits + 3);
            if rest.get(end + 1 + digits) != Some(&b']') {
                return false;
            }
            end += digits + 2;
        }
        if rest.get(end) != Some(&b':') {
            return false;
        }
        // Digits alone are a message's number, and no name begins with a bracket, a date, or an IPv6 address.
        let word = rest.get(..name).unwrap_or_default();
        let date = word.get(4) == Some(&b'-') && word.iter().take(4).all(u8::is_ascii_digit);
        let address = rest.iter().take(LONGEST_ADDRESS).take_while(|byte| byte.is_ascii_hexdigit() || **byte == b':').count();
        self.trace.see(self.at + address + 1);
        let address = rest.get(..address).unwrap_or_default();
        let group = crate::value::parse_address(address.strip_suffix(b":").filter(|one| !one.ends_with(b":")).unwrap_or(address))
            .is_some();
        let named = word.first() != Some(&b'(') && !date && !group && word.iter().any(|byte| !byte.is_ascii_digit());
        if !named {
            return false;
        }
        self.name_program(self.at, word);
        self.at += end + 1;
        self.skip(b" ");
        self.mark();
        true
    }
}

#[cfg(test)]
mod tests;
