//! RFC 5424's header, and what is left of it behind an older one.

use super::{LONGEST_HOST, LONGEST_PROGRAM, Parser};
use crate::time::{self, Context};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> Parser<'a, '_> {
    /// `APP PROCID MSGID [SD] MSG` behind the older header, as some relays rewrite only the beginning.
    pub(super) fn rest_of_rfc5424(&mut self) -> bool {
        let plain = |token: &[u8]| {
            !token.is_empty()
                && token.len() <= LONGEST_PROGRAM
                && token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let identified = |token: &[u8]| token == b"-" || (!token.is_empty() && token.iter().all(u8::is_ascii_digit));
        let start = self.at;
        let Some(program) = self.short_word(start).filter(|token| plain(token)) else { return false };
        let process_at = start + program.len() + 1;
        let Some(process) = self.short_word(process_at).filter(|token| identified(token)) else { return false };
        let msgid_at = process_at + process.len() + 1;
        let Some(msgid) = self.short_word(msgid_at).filter(|token| plain(token)) else { return false };
        let rest_at = msgid_at + msgid.len() + 1;
        let rest = self.line.get(rest_at..).unwrap_or_default();
        self.trace.see(rest_at + 1);
        // `[word@number ` is how structured data begins, and hardly anything else does.
        if !rest.starts_with(b"[") {
            return false;
        }
        let near = rest.iter().take(LONGEST_PROGRAM).take_while(|byte| !matches!(byte, b' ' | b']'));
        self.trace.see(rest_at + LONGEST_PROGRAM.min(near.clone().count() + 1));
        if !near.clone().any(|&byte| byte == b'@') {
            return false;
        }
        self.name_program(start, program);
        self.header.msgid = msgid;
        self.at = rest_at;
        self.mark();
        self.structured_data();
        self.skip(b" ");
        self.mark();
        true
    }

    /// What stands at `at` up to the next blank, if that is near.
    fn short_word(&mut self, at: usize) -> Option<&'a [u8]> {
        let rest = self.line.get(at..)?;
        let mut letters = rest.iter().take(LONGEST_HOST).take_while(|byte| byte.is_ascii_graphic());
        let length = letters.by_ref().count();
        self.trace.see(at + length + 1);
        rest.get(..length).filter(|_| rest.get(length) == Some(&b' '))
    }

    /// `1 TIME HOST APP PROCID MSGID SD MSG` after the priority. False (and nothing consumed) when it is not that.
    /// Without a priority only a real time tells it from anything else.
    pub(super) fn rfc5424(&mut self, had_priority: bool, context: &Context) -> bool {
        let before = self.at;
        self.at += 2;
        let mut fields: [&'a [u8]; 5] = [b""; 5];
        let mut places = [0; 5];
        for (field, place) in fields.iter_mut().zip(&mut places) {
            *place = self.at;
            let rest = self.rest();
            let Some(end) = rest.iter().take(LONGEST_HOST + 1).position(|&byte| byte == b' ') else {
                self.trace.see(self.at + LONGEST_HOST + 1);
                self.at = before;
                return false;
            };
            *field = rest.get(..end).unwrap_or_default();
            self.at += end + 1;
        }
        self.trace.see(self.at);
        let [stamp, host, program, _, msgid] = fields;
        let [stamp_at, _, half, ..] = places;
        let time = self.stamp(stamp, stamp_at, context);
        if time.is_none() && !(stamp == b"-" && had_priority) {
            self.at = before;
            return false;
        }
        self.header.time = time;
        self.header.msgid = if msgid == b"-" { b"" } else { msgid };
        self.header.host = if host == b"-" { b"" } else { host };
        // Some write this header's beginning and then their message at once.
        self.header.starts.push(half);
        match program {
            b"-" => self.header.program = b"",
            _ => self.name_program(half, program),
        }
        self.mark();
        self.structured_data();
        self.skip(b" ");
        self.trace.see(self.at + BYTE_ORDER_MARK.len());
        if self.rest().starts_with(BYTE_ORDER_MARK) {
            self.at += BYTE_ORDER_MARK.len();
        }
        self.mark();
        true
    }

    /// The whole of `stamp`, which stands at `at`, as a time.
    fn stamp(&mut self, stamp: &'a [u8], at: usize, context: &Context) -> Option<i64> {
        let time = time::parse(stamp, context);
        let mut seen = time::Seen::default();
        let scanned = time::scan_seen(stamp, context, &mut seen).filter(|found| found.used == stamp.len());
        // Other ways to write a time have no clock that could be told from the rest.
        let plain = time.is_some() && scanned.is_some_and(|found| found.time == time);
        self.trace.time(at, time::Seen { bytes: stamp.len(), weighed: true, ..seen }, plain);
        time
    }

    fn structured_data(&mut self) {
        let rest = self.rest();
        self.trace.see(self.at + 1);
        if rest.first() == Some(&b'-') {
            self.at += 1;
            return;
        }
        let start = self.at;
        let mut quoted = false;
        let mut depth = 0_usize;
        let mut bytes = rest.iter().enumerate();
        while let Some((at, &byte)) = bytes.next() {
            self.trace.see(start + at + 2);
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
        self.trace.see(self.line.len() + 1);
    }
}
