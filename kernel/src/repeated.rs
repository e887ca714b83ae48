//! `message repeated 3 times: [ … ]`, which rsyslog and syslogd write in place of a message's repetitions: the message within is read.
//!
//! It must stand where a message may begin, and the bracket must be closed at the line's end: else the text inside was cut.

use crate::header::Header;

const BEFORE: &[u8] = b"message repeated ";
const BEHIND: &[u8] = b" times: [";
const MOST_DIGITS: usize = 9;

/// Whether a line may be such a one.
pub fn may_be(text: &[u8], header: &Header) -> bool {
    let begins = |start: &usize| text.get(*start..).is_some_and(|rest| rest.starts_with(BEFORE));
    text.last() == Some(&b']') && header.starts.last().is_some_and(begins)
}

/// The line without the closing bracket, if it is such a line; a message may then begin inside the bracket as well.
pub fn unwrap<'a>(text: &'a [u8], header: &mut Header) -> Option<&'a [u8]> {
    let inner = text.strip_suffix(b"]")?;
    let start = *header.starts.last()?;
    let rest = inner.get(start..)?.strip_prefix(BEFORE)?;
    let digits = rest.iter().take(MOST_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
    let message = rest.get(digits..).filter(|_| digits > 0)?.strip_prefix(BEHIND)?.trim_ascii_start();
    if message.is_empty() {
        return None;
    }
    header.starts.push(inner.len() - message.len());
    Some(inner.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Context;

    fn within(line: &str) -> Option<String> {
        let mut header = crate::header::parse(line.as_bytes(), &Context { reference: 1_795_003_200_000, offset: 0 });
        let text = unwrap(line.as_bytes(), &mut header)?;
        Some(String::from_utf8_lossy(text.get(*header.starts.last()?..)?).into_owned())
    }

    #[test]
    fn a_repeated_message_is_read_from_inside_its_bracket() {
        for head in ["<38>Nov 18 09:00:00 gate sshd[7]: ", "2026-11-18T09:00:00Z gate sshd[7]: ", "sshd[7]: ", ""] {
            let line = format!("{head}message repeated 12 times: [ Failed password for x from 192.0.2.1 port 22 ssh2]");
            assert_eq!(within(&line).as_deref(), Some("Failed password for x from 192.0.2.1 port 22 ssh2"), "{head}");
        }
        let line = "<38>Nov 18 09:00:00 gate sshd[7]: message repeated 2 times: [Connection closed [preauth]]";
        assert_eq!(within(line).as_deref(), Some("Connection closed [preauth]"));
    }

    #[test]
    fn what_is_cut_or_stands_further_inside_is_no_repeated_message() {
        for text in [
            "message repeated 2 times: [ Failed password for x from 192.0.2.1",
            "Invalid user message repeated 2 times: [ Failed password for x from 192.0.2.1 port 22 ssh2]",
            "message repeated times: [ x]",
            "message repeated 1234567890 times: [ x]",
            "message repeated 2 times: [ ]",
            "message repeated 2 times: [",
        ] {
            assert_eq!(within(&format!("<38>Nov 18 09:00:00 gate sshd[7]: {text}")), None, "{text}");
        }
    }
}
