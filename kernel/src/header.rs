//! Syslog headers: RFC 5424, RFC 3164, what vendors make of them, relays' extra ones, and none at all.
//!
//! The parser never decides where the message begins: it gives every place where one may begin (`starts`), and a pack's own
//! literal must stand exactly at one of them. Text further inside a line, which a stranger may have written, is therefore never
//! taken for the beginning of a message.

use crate::time::{self, Context};
use memchr::memchr2;
use smallvec::SmallVec;

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

struct Parser<'a> {
    line: &'a [u8],
    at: usize,
    header: Header<'a>,
}

pub fn parse<'a>(line: &'a [u8], context: &Context) -> Header<'a> {
    let header = Header { starts: SmallVec::new(), time: None, host: b"", program: b"", msgid: b"" };
    let mut parser = Parser { line, at: 0, header };
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

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn mark(&mut self) {
        if self.header.starts.last() != Some(&self.at) && self.at < self.line.len() {
            self.header.starts.push(self.at);
        }
    }

    fn skip(&mut self, wanted: &[u8]) {
        while self.rest().first().is_some_and(|byte| wanted.contains(byte)) {
            self.at += 1;
        }
    }

    /// One header; true when another may follow it.
    fn one(&mut self, context: &Context) -> bool {
        self.relay();
        let had_priority = self.priority();
        if self.rest().starts_with(b"1 ") && self.rfc5424(had_priority, context) {
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
        (had_time && had_host && !had_program) && matches!(self.rest().first(), Some(b'<' | b'0'..=b'9' | b'A'..=b'Z'))
    }

    /// `host kernel: ` straight behind the priority, as routers write that tell no time.
    fn kernel_without_time(&mut self) -> bool {
        let (before, host) = (self.at, self.header.host);
        if self.host() && self.rest().starts_with(b"kernel: ") {
            return self.program();
        }
        self.at = before;
        self.header.host = host;
        self.header.starts.retain(|start| *start <= before);
        false
    }

    /// `(2026-11-18T09:15:00) program: ` and `NAME (2026-11-18T09:15:00) program: `: WatchGuard's own name and time, which is UTC.
    fn time_in_brackets(&mut self, context: &Context) {
        let rest = self.rest();
        let near = rest.get(..rest.len().min(LONGEST_PROGRAM)).unwrap_or_default();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let Some(open) = memchr2(b'(', b'=', near).filter(|&open| near.get(open) == Some(&b'(')) else {
            return;
        };
        let name = near.get(..open).unwrap_or_default();
        if !(name.is_empty() || name.strip_suffix(b" ").is_some_and(|name| !name.is_empty() && name.iter().all(plain))) {
            return;
        }
        let inside = rest.get(open + 1..).unwrap_or_default();
        let Some(found) = time::scan(inside, &Context { offset: 0, ..*context }) else {
            return;
        };
        if inside.get(found.used..).is_some_and(|after| after.starts_with(b") ")) {
            self.header.time = found.time;
            self.at += open + 1 + found.used + 2;
            self.mark();
        }
    }

    /// `host: Nov 18 09:15:00.123: %…` behind a relay's header, and `host : %…` without any time. The device's own time counts.
    fn ciscos_own_time(&mut self, context: &Context) {
        let rest = self.rest();
        // It begins with a time or a host's name, either of which has a colon and a percent sign behind it.
        let near = rest.get(..rest.len().min(LONGEST_HOST)).unwrap_or_default();
        let sign = memchr2(b'%', b'=', near).unwrap_or(0);
        if sign < 2 || rest.get(sign) != Some(&b'%') {
            return;
        }
        // A program with a process number is no device: what it writes may be a stranger's.
        if crate::value::trim(self.line.get(..self.at).unwrap_or_default()).ends_with(b"]:") {
            return;
        }
        if let Some(found) = time::scan(rest.strip_prefix(b"*").unwrap_or(rest), context) {
            let used = found.used + usize::from(rest.starts_with(b"*"));
            if rest.get(used..).is_some_and(|after| after.starts_with(b": %")) {
                self.at += used + 2;
                self.header.time = found.time;
                self.mark();
            }
            return;
        }
        let end = rest.iter().take(LONGEST_HOST).position(|&byte| byte == b' ').unwrap_or(0);
        if end > 0 && rest.get(end..).is_some_and(|after| after.starts_with(b" : %")) {
            self.header.host = rest.get(..end).unwrap_or_default();
            self.at += end + 3;
            self.mark();
        }
    }

    /// `APP PROCID MSGID [SD] MSG` behind the older header, as some relays rewrite only the beginning.
    fn rest_of_rfc5424(&mut self) -> bool {
        let mut tokens = self.rest().splitn(4, |&byte| byte == b' ');
        let (Some(program), Some(process), Some(msgid), Some(rest)) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return false;
        };
        let plain = |token: &[u8]| {
            !token.is_empty()
                && token.len() <= LONGEST_PROGRAM
                && token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let identified = process == b"-" || (!process.is_empty() && process.iter().all(u8::is_ascii_digit));
        // `[word@number ` is how structured data begins, and hardly anything else does.
        let begins = rest.iter().take(LONGEST_PROGRAM).take_while(|byte| !matches!(byte, b' ' | b']')).any(|&byte| byte == b'@');
        if !(plain(program) && identified && plain(msgid) && rest.starts_with(b"[") && begins) {
            return false;
        }
        self.header.program = program;
        self.header.msgid = msgid;
        self.at = self.line.len() - rest.len();
        self.mark();
        self.structured_data();
        self.skip(b" ");
        self.mark();
        true
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
        if token > 0 && after.starts_with(b" <") && after.get(2).is_some_and(u8::is_ascii_digit) {
            self.at += token + 1;
            self.mark();
        }
    }

    fn priority(&mut self) -> bool {
        let rest = self.rest();
        let Some(end) = rest.iter().take(5).position(|&byte| byte == b'>') else {
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
        if digits > 0 && rest.get(digits..digits + 2) == Some(b": ") {
            self.at += digits + 2;
        }
        self.skip(b":*. ");
        self.mark();
    }

    fn timestamp(&mut self, context: &Context) -> bool {
        let Some(found) = time::scan(self.rest(), context) else {
            return false;
        };
        let after = self.rest().get(found.used).copied();
        if !matches!(after, None | Some(b' ' | b':' | b'\t')) {
            return false;
        }
        self.at += found.used;
        self.header.time = found.time;
        self.skip(b": \t");
        self.mark();
        true
    }

    /// `Local7.Notice`, which files of Windows' syslog servers hold in place of the priority.
    fn facility(&mut self) {
        let rest = self.rest();
        let end = rest.iter().take(LONGEST_PROGRAM).position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(0);
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
        let near = rest.get(..rest.len().min(LONGEST_HOST)).unwrap_or_default();
        let end = memchr2(b' ', b'\t', near).unwrap_or(0);
        let token = rest.get(..end).unwrap_or_default();
        // `>`: archives of OSSEC and Wazuh write `collector->device`.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'>');
        let begins = token.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'/' | b'.'));
        if !begins || !token.iter().all(plain) || token.ends_with(b":") {
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
        if rest.get(end) == Some(&b'[') {
            let digits = rest.iter().skip(end + 1).take(12).take_while(|byte| byte.is_ascii_digit()).count();
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
        let address = rest.get(..address).unwrap_or_default();
        let group = crate::value::parse_address(address.strip_suffix(b":").filter(|one| !one.ends_with(b":")).unwrap_or(address))
            .is_some();
        let named = word.first() != Some(&b'(') && !date && !group && word.iter().any(|byte| !byte.is_ascii_digit());
        if !named {
            return false;
        }
        self.header.program = rest.get(..name).unwrap_or_default();
        self.at += end + 1;
        self.skip(b" ");
        self.mark();
        true
    }

    /// `1 TIME HOST APP PROCID MSGID SD MSG` after the priority. False (and nothing consumed) when it is not that.
    /// Without a priority only a real time tells it from anything else.
    fn rfc5424(&mut self, had_priority: bool, context: &Context) -> bool {
        let before = self.at;
        self.at += 2;
        let mut fields: [&'a [u8]; 5] = [b""; 5];
        let mut half = 0;
        for (number, field) in fields.iter_mut().enumerate() {
            if number == 2 {
                half = self.at;
            }
            let rest = self.rest();
            let Some(end) = rest.iter().take(LONGEST_HOST + 1).position(|&byte| byte == b' ') else {
                self.at = before;
                return false;
            };
            *field = rest.get(..end).unwrap_or_default();
            self.at += end + 1;
        }
        let [stamp, host, program, _, msgid] = fields;
        let time = time::parse(stamp, context);
        if time.is_none() && !(stamp == b"-" && had_priority) {
            self.at = before;
            return false;
        }
        self.header.time = time;
        self.header.msgid = if msgid == b"-" { b"" } else { msgid };
        self.header.host = if host == b"-" { b"" } else { host };
        // Some write this header's beginning and then their message at once.
        self.header.starts.push(half);
        self.header.program = if program == b"-" { b"" } else { program };
        self.mark();
        self.structured_data();
        self.skip(b" ");
        if self.rest().starts_with(b"\xef\xbb\xbf") {
            self.at += 3;
        }
        self.mark();
        true
    }

    fn structured_data(&mut self) {
        let rest = self.rest();
        if rest.first() == Some(&b'-') {
            self.at += 1;
            return;
        }
        let mut quoted = false;
        let mut depth = 0_usize;
        let mut bytes = rest.iter().enumerate();
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'\\' if quoted => {
                    bytes.next();
                }
                b'"' => quoted = !quoted,
                b'[' if !quoted && depth == 0 => depth = 1,
                b']' if !quoted => {
                    depth = 0;
                    if rest.get(at + 1) != Some(&b'[') {
                        self.at += at + 1;
                        return;
                    }
                }
                _ if depth == 0 => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
