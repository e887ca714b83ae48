"""Fingerprints from the recog project (XML, BSD-2) as a feed.

Each file names what its patterns read; ours are mapped to the observation kinds that our engines make,
the others are kept out. Ruby's pattern notation is translated where Python differs. The files' own
examples can be checked with `check_examples`, which is how the import is proven. Operating-system claims
are never taken.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.feeds.reading import digest, feed_files
from cyberalarm.scanner.feeds.store import VulnDb, Writer, rebuild
from cyberalarm.scanner.feeds.vulnerability import FeedInfo
from cyberalarm.scanner.recognise import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "recog"
# Their name for the text a file reads → the observation kind that our engines make. A greeting is a banner
# without its reply code, as recog wants it.
KINDS = {
    "ssh.banner": "ssh.banner",
    "http_header.server": "http.server",
    "http_header.x-powered-by": "http.powered-by",
    "ftp.banner": "ftp.greeting",
    "smtp.banner": "smtp.greeting",
    "imap4.banner": "imap.greeting",
    "pop3.banner": "pop3.greeting",
    "mysql.banners": "mysql.banner",
    "dns.versionbind": "dns.version",
}
_MOST_PATTERN = 4096
_BARE_FLAGS = re.compile(r"\(\?([imx]+)\)")


@dataclass(frozen=True, slots=True)
class RecogExample:
    text: str
    wanted: dict[str, str]


@dataclass(frozen=True, slots=True)
class RecogFingerprint:
    """One entry of a file.

    `fixed` are parameters with a value, `groups` those taken from a group of the pattern.
    """

    key: str
    matches: str
    preference: float
    pattern: str
    fixed: dict[str, str]
    groups: dict[str, int]
    examples: tuple[RecogExample, ...]

    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def read(self, text: str) -> dict[str, str] | None:
        """All parameters that a text gives, `{service.version}` filled in; None where nothing matches."""
        found = self.compiled().search(text)
        if found is None:
            return None
        values = dict(self.fixed)
        values |= {name: found[group] for name, group in self.groups.items() if found[group] is not None}
        return {k: _fill(v, values) for k, v in values.items()}


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{([a-z0-9_.]+)\}", lambda m: values.get(m[1], "-"), text)


def translated(pattern: str, flags: str) -> str:
    """A Ruby pattern in Python's notation.

    Ruby's `^` and `$` are line anchors; its `i` flag stands outside.
    """
    python = (
        pattern.replace("\\A", "^")
        .replace("\\h", "[0-9a-fA-F]")
        .replace("(?i-mx:", "(?i:")
        .replace("\\Z", "$")
        .replace("\\z", "$")
    )
    wanted = "m"
    if "REG_ICASE" in flags or "IGNORECASE" in flags:
        wanted += "i"
    if "REG_DOT_NEWLINE" in flags or "REG_MULTILINE" in flags:
        wanted += "s"
    # Ruby takes a bare `(?i)` anywhere, Python only in front.
    for lead in _BARE_FLAGS.findall(python):
        wanted += str(lead).replace("m", "s")
    python = _BARE_FLAGS.sub("", python)
    wanted = "".join(sorted(set(wanted)))
    return f"(?{wanted}){python}"


def read_file(path: Path) -> Iterator[RecogFingerprint]:
    """The fingerprints of one file. Raises FeedError for XML that is broken or hostile."""
    try:
        root = parse(path, forbid_dtd=True).getroot()
    except (ParseError, DefusedXmlException, OSError) as error:
        raise FeedError(f"{path}: not a fingerprint file: {error}.", next_step="Fetch it again.") from error
    if root is None:
        raise FeedError(f"{path}: is empty.", next_step="Fetch it again.")
    matches = root.get("matches", "")
    preference = float(root.get("preference", "0.5"))
    for number, element in enumerate(root.iter("fingerprint"), 1):
        pattern = element.get("pattern", "")
        if len(pattern) > _MOST_PATTERN:
            continue
        yield _fingerprint(f"recog:{path.stem}:{number}", matches, preference, pattern, element)


def _fingerprint(key: str, matches: str, preference: float, pattern: str, element: Element) -> RecogFingerprint:
    fixed: dict[str, str] = {}
    groups: dict[str, int] = {}
    for parameter in element.iter("param"):
        name, position = parameter.get("name", ""), int(parameter.get("pos", "0"))
        if position:
            groups[name] = position
        else:
            fixed[name] = parameter.get("value", "")
    examples = tuple(_example(e) for e in element.iter("example") if e.get("_filename") is None)
    return RecogFingerprint(
        key, matches, preference, translated(pattern, element.get("flags", "")), fixed, groups, examples
    )


def _example(element: Element) -> RecogExample:
    text = element.text or ""
    if element.get("_encoding") == "base64":
        try:
            text = base64.b64decode(text).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError) as error:
            raise FeedError(f"An example is not base64: {error}.", next_step="Fetch the feed again.") from error
    return RecogExample(text, {k: v for k, v in element.attrib.items() if not k.startswith("_")})


def check_examples(fingerprint: RecogFingerprint) -> list[str]:
    """What a fingerprint gets wrong of its own examples; empty means all right."""
    wrong = []
    for example in fingerprint.examples:
        values = fingerprint.read(example.text)
        if values is None:
            wrong.append(f"{fingerprint.key}: does not match {example.text[:60]!r}")
            continue
        wrong.extend(
            f"{fingerprint.key}: {name} is {values.get(name)!r}, wanted {value!r}"
            for name, value in example.wanted.items()
            if values.get(name) != value
        )
    return wrong


def import_recog(store: Path, paths: tuple[Path, ...], progress: Callable[[str], None] = lambda _: None) -> int:
    """Read recog's files into a new store and swap it in. Raises FeedError; then the store is as it was."""
    files = feed_files(paths, (".xml",))
    rows: list[tuple[str, str, float, str, dict[str, str]]] = []
    for path in files:
        progress(path.name)
        for item in read_file(path):
            kind = KINDS.get(item.matches)
            if kind is None or "service.product" not in item.fixed:
                continue
            item.compiled()
            rows.append((item.key, kind, item.preference, item.pattern, _parameters(item)))
    if not rows:
        raise FeedError("No fingerprint that we can use.", next_step="Give recog's XML files.")

    def change(writer: Writer) -> None:
        kept = writer.replace_fingerprints(rows)
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        writer.record(FeedInfo(NAME, stamp[:10], stamp, digest(files), kept, "recog, Copyright Rapid7, BSD-2-Clause"))

    rebuild(store, change)
    return len(rows)


def _parameters(item: RecogFingerprint) -> dict[str, str]:
    kept = {name: item.fixed.get(name, "") for name in ("service.vendor", "service.product", "service.cpe23")}
    return kept | {"version_group": str(item.groups.get("service.version", 0))}


def imported_fingerprints(db: VulnDb) -> tuple[Fingerprint, ...]:
    """The imported fingerprints of a store, in the shape of our own."""
    found = []
    for key, kind, pattern, parameters in db.fingerprints():
        vendor, product = _names(parameters)
        found.append(
            Fingerprint(
                key=key,
                kind=kind,
                pattern=_with_version_group(pattern, int(parameters["version_group"])),
                vendor=vendor,
                product=product,
                title=parameters["service.product"],
                platform="",
                packaged=True,
                examples=(),
            )
        )
    return tuple(found)


def _names(parameters: dict[str, str]) -> tuple[str, str]:
    """Vendor and product as vulnerability data writes them, from the CPE where there is one."""
    fields = parameters["service.cpe23"].split(":")
    if len(fields) > 4 and fields[0] == "cpe":
        return (fields[2].lstrip("/"), fields[3]) if fields[1] != "2.3" else (fields[3], fields[4])
    return tuple(parameters[k].lower().replace(" ", "_") for k in ("service.vendor", "service.product"))  # type: ignore[return-value]


def _with_version_group(pattern: str, group: int) -> re.Pattern[str]:
    """Name the pattern's group that holds the version, by counting its opening brackets."""
    if group == 0:
        return re.compile(pattern)
    seen, at, in_class = 0, 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 2
            continue
        if char == "[":
            in_class = True
        elif char == "]":
            in_class = False
        elif char == "(" and not in_class and pattern[at + 1 : at + 2] != "?":
            seen += 1
            if seen == group:
                return re.compile(f"{pattern[: at + 1]}?P<version>{pattern[at + 1 :]}")
        at += 1
    return re.compile(pattern)
