"""A line without what it says: only its form stays, so that somebody can see what kind of line it is, and nothing can be read back.

What stays: punctuation, the syslog priority, words of the list in `words.txt` (the vocabulary of logs, no names), and the names of
keys, in front of `=` or in a JSON object. Everything else is replaced: digits by 0, addresses, mailboxes and web addresses by their
kind in brackets, values, quoted texts and all other words by `…`.

Total on arbitrary bytes. The cost is bounded by `LONGEST`: what is beyond is cut off first, and each character is looked at a fixed
number of times.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

LONGEST = 2048  # bytes of a line that are looked at, and of a sample
GONE = "…"
ADDRESS, MAILBOX, URL = "[address]", "[mailbox]", "[url]"

_PRIORITY = re.compile(r"<[0-9]{1,3}>")
# What can be one token: no white space, quotes, brackets or separators of values.
_RUN = re.compile(r"[^\s\"'`=,;|&<>()\[\]{}\x00-\x1f\x7f-\x9f]+")
_TO_BLANK = re.compile(r"[^\s\"'`<>]*")
_VALUE = re.compile(r"[^\s,;|&]*")
_QUOTED = {quote: re.compile(rf"{quote}(?:[^{quote}\\]|\\.)*(?:{quote}|\Z)|{quote}.*", re.DOTALL) for quote in "\"'`"}
_KEY = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}[0-9]{0,3}")
# Names of months are first names, too, so they stay at the beginning only, where the time of syslog stands (RFC 3164).
_MONTH = re.compile(r"(?:\*|: ?)?(?:\d{4} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?= {1,2}\d)")
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?")
_COLONS = re.compile(r"[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,}")
_DOTTED = re.compile(r"[^\W_]+(?:[-._]+[^\W_]+)*")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PART = re.compile(r"[A-Za-z]+|\d+")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_REPEATED = re.compile(rf"{GONE}(?:[-._/\\]*{GONE})+")


def redact(line: bytes) -> str:
    """The form of a line, at most `LONGEST` bytes of UTF-8."""
    text = line[:LONGEST].decode("utf-8", "replace")
    found, at = [], 0
    priority = _PRIORITY.match(text)
    if priority:
        found.append(priority.group())
        at = priority.end()
    month = _MONTH.match(text, at)
    if month:
        found.append(_zeros(month.group()))
        at = month.end()
    json = '{"' in text
    while at < len(text):
        piece, at = _next(text, at, json=json)
        found.append(piece)
    form = _REPEATED.sub(GONE, "".join(found))
    return form.encode()[:LONGEST].decode("utf-8", "ignore")


def _next(text: str, at: int, *, json: bool) -> tuple[str, int]:
    """What stands for the next piece of a text, and where it ends."""
    character = text[at]
    if character in _QUOTED and _opens(text, at):
        return _quoted(text, at, json=json)
    run = _RUN.match(text, at)
    if run is None:
        return (character if character.isascii() and character.isprintable() else " "), at + 1
    token, end = run.group(), run.end()
    if "://" in token:
        return URL, max(end, _end(_TO_BLANK, text, end))
    if "@" in token.strip("@"):
        return MAILBOX, end
    if text[end : end + 1] == "=" and _KEY.fullmatch(token):
        return _pair(text, token, end)
    return _form(token), end


def _opens(text: str, at: int) -> bool:
    """Is this character a quotation mark? An apostrophe inside a word is none."""
    return text[at] == '"' or at == 0 or not text[at - 1].isalnum()


def _quoted(text: str, at: int, *, json: bool) -> tuple[str, int]:
    """A quoted text, to its end or to that of the line; only a key of a JSON object stays."""
    quote = text[at]
    end = _end(_QUOTED[quote], text, at)
    inside = text[at + 1 : end - 1]
    if json and quote == '"' and _KEY.fullmatch(inside) and text[end : end + 2].lstrip()[:1] == ":":
        before = text[max(0, at - 4) : at].rstrip()
        if before[-1:] in {"{", ","}:
            return f'"{_zeros(inside)}"', end
    return f"{quote}{GONE}{quote}", end


def _pair(text: str, key: str, end: int) -> tuple[str, int]:
    """`key=value`: the key's name stays. What looks like the padding of base64 is no key."""
    after = text[end + 1 : end + 2]
    if after in {"", "="} or (after.isspace() and not _known(key)):
        return f"{_form(key)}=", end + 1
    if after in _QUOTED or after.isspace():
        return f"{_zeros(key)}=", end + 1
    return f"{_zeros(key)}={GONE}", _end(_VALUE, text, end + 1)


def _form(token: str) -> str:
    """What stays of a token: punctuation, words of the list, zeros."""
    if not token.isascii():
        return GONE
    bare = token.rstrip(":")
    if _COLONS.fullmatch(bare) and not _TIME.fullmatch(bare):
        return ADDRESS + token[len(bare) :]
    return _DOTTED.sub(_name, token)


def _name(found: re.Match[str]) -> str:
    """A word, or several joined by points, dashes or underscores."""
    token = found.group()
    if _IPV4.fullmatch(token):
        return ADDRESS
    if not any(letter.isalpha() for letter in token.removesuffix("Z")):
        return _zeros(token)
    if "." in token:
        return GONE  # a host's or a file's name, or an address with something behind it
    return re.sub(r"[A-Za-z0-9]+", _word, token)


def _word(found: re.Match[str]) -> str:
    word = found.group()
    letters = word.rstrip("0123456789")
    if letters and not _known(letters):
        # 20T09 of a time as ISO 8601 writes it, and its Z
        return _zeros(word) if re.fullmatch(r"\d{1,2}[TZ]?\d{0,2}Z?", word) else GONE
    return _zeros(word)


def _known(word: str) -> bool:
    """Is it a word of logs, or made of such words (`connectionClosed`)?"""
    known = _words()
    if word.lower() in known:
        return True
    parts = _CAMEL.findall(word)
    return len(parts) > 1 and "".join(parts) == word and all(part.lower() in known for part in parts)


def _zeros(text: str) -> str:
    return re.sub(r"[0-9]", "0", text)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


@cache
def _words() -> frozenset[str]:
    listed = files(__package__).joinpath("words.txt").read_text("ascii")
    return frozenset(word for line in listed.splitlines() if not line.startswith("#") for word in line.split())
