"""From what a service says to which product it is, by fingerprints that are data (`fingerprints/*.toml`).

Own fingerprints come first, imported ones (recog) after. Patterns see at most 1 KB of text. A name or
version that the text does not show stays empty; an operating system is only ever a hint.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.scanner.evidence import trimmed
from cyberalarm.scanner.identity import Identity, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST = 1024
# Versions as people type them, or we did not understand: "3.X - 4.X" must never be matched.
_VERSION = re.compile(r"[0-9](?:[0-9A-Za-z.+~_()-]{0,62}[0-9A-Za-z)])?", re.ASCII)
_MOST_PARTS = 12


@dataclass(frozen=True, slots=True)
class Example:
    """A text that a fingerprint must read, and what it must find; empty means: must find nothing."""

    text: str
    version: str
    distribution: str
    revision: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One pattern. Named groups `version`, `distribution`, `revision` and `platform` fill the identity."""

    key: str
    kind: str
    pattern: re.Pattern[str]
    vendor: str
    product: str
    title: str
    platform: str
    packaged: bool
    examples: tuple[Example, ...]

    def read(self, text: str) -> Identity | None:
        found = self.pattern.search(text[:LONGEST])
        if found is None:
            return None
        groups = {k: v or "" for k, v in found.groupdict().items()}
        version = groups.get("version", "")
        version = version if _VERSION.fullmatch(version) else ""
        revision = groups.get("revision", "")
        distribution = _distribution(groups.get("distribution", ""))
        return Identity(
            vendor=self.vendor,
            product=self.product,
            title=self.title,
            version=version,
            distribution=distribution,
            revision=f"{version}-{revision}" if version and revision else "",
            platform=_platform(groups.get("platform", "")) or self.platform or ("linux" if distribution else ""),
            packaged=self.packaged,
            fingerprint=self.key,
            evidence=trimmed(text),
        )


# How distributions sign their packages in banners.
_DISTRIBUTIONS = {
    "debian": "debian", "debian/gnu": "debian", "ubuntu": "ubuntu", "raspbian": "raspbian",
    "red hat": "redhat", "red hat enterprise linux": "redhat", "centos": "redhat", "centos stream": "redhat",
    "rocky linux": "redhat", "almalinux": "redhat", "oracle linux": "redhat", "fedora": "fedora",
    "suse": "suse", "linux/suse": "suse", "amazon linux": "amazon", "amazon": "amazon", "freebsd": "freebsd",
}  # fmt: skip


def _distribution(text: str) -> str:
    return _DISTRIBUTIONS.get(text.strip().lower(), "")


def _platform(text: str) -> str:
    lowered = text.lower()
    if lowered.startswith("win"):
        return "windows"
    return "unix" if lowered in {"unix", "freebsd", "darwin"} else ""


@cache
def own_fingerprints() -> tuple[Fingerprint, ...]:
    """All fingerprints of the package's own tables, in the order of file names and entries."""
    found: list[Fingerprint] = []
    tables = sorted(files(__package__).joinpath("fingerprints").iterdir(), key=lambda f: f.name)
    for table in tables:
        if table.name.endswith(".toml"):
            found.extend(_load(table.name, table.read_text("utf-8")))
    keys = [f.key for f in found]
    if len(set(keys)) != len(keys):
        raise ConfigurationError("Two fingerprints have the same key.", next_step="Give each its own.")
    return tuple(found)


def _load(name: str, text: str) -> Iterable[Fingerprint]:
    table = tomllib.loads(text)
    for row in table["fingerprint"]:
        try:
            yield Fingerprint(
                key=row["key"],
                kind=row.get("kind", table["kind"]),
                pattern=re.compile(row["pattern"], re.ASCII),
                vendor=row["vendor"],
                product=row["product"],
                title=row["title"],
                platform=row.get("platform", ""),
                packaged=row.get("packaged", True),
                examples=tuple(
                    Example(e["text"], e.get("version", ""), e.get("distribution", ""), e.get("revision", ""))
                    for e in row["examples"]
                ),
            )
        except (KeyError, re.error) as error:
            raise ConfigurationError(
                f"{name}: fingerprint {row.get('key', '?')!r}: {error}.", next_step="See docs/scanner.md."
            ) from error


_PART = re.compile(r"[^\s()]+(?:\s*\((?P<comment>[^()]*)\))?")


def server_parts(header: str) -> tuple[str, ...]:
    """A Server header cut into products, each with the comment that follows it.

    `Apache/2.4.49 (Debian) OpenSSL/1.0.2k PHP/5.6.40` gives three parts. What the server's comment says of
    the distribution is handed to the parts after it, for they come from the same packages.
    """
    parts: list[str] = []
    inherited = ""
    for match in _PART.finditer(header[:LONGEST]):
        comment = match["comment"]
        if comment is not None:
            inherited = inherited or comment
            parts.append(match[0])
        else:
            parts.append(f"{match[0]} ({inherited})" if inherited else match[0])
        if len(parts) == _MOST_PARTS:
            break
    return tuple(parts)


class Recogniser:
    """Reads observations with a fixed list of fingerprints; the first that matches a text wins."""

    def __init__(self, imported: Sequence[Fingerprint] = ()) -> None:
        self._by_kind: dict[str, list[Fingerprint]] = {}
        for fingerprint in (*own_fingerprints(), *imported):
            self._by_kind.setdefault(fingerprint.kind, []).append(fingerprint)

    def identify(self, observation: Observation) -> tuple[Identity, ...]:
        """The products one observation names; usually one, several for a composite Server header."""
        if observation.kind != "http.server":
            found = self._first(observation.kind, observation.text)
            return (found,) if found else ()
        identities: list[Identity] = []
        for part in server_parts(observation.text):
            found = self._first(observation.kind, part)
            if found and not any(i.product == found.product for i in identities):
                identities.append(found)
        if not identities:
            whole = self._first(observation.kind, observation.text)
            identities = [whole] if whole else []
        return tuple(identities)

    def _first(self, kind: str, text: str) -> Identity | None:
        for fingerprint in self._by_kind.get(kind, ()):
            identity = fingerprint.read(text)
            if identity is not None:
                return identity
        return None
