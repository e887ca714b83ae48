"""What a finding rests on: a few figures and examples, never lines.

Lists are short on purpose (the busiest first); their whole sizes stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

# What a finding's row in the relational database may hold; the events themselves stay in the event store.
MOST_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Reporter:
    """A device that wrote the lines, by the collector's name for it, and the pack that read them."""

    product: str
    device: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures over the matching events of one episode. Addresses are text.

    `groups` above 0: it stands for so many groups, too many to list, and its lines are those of each one's busiest window.
    """

    tries: int = 0
    distinct: int = 0
    members: int = 0
    forces: int = 0
    blocked: int = 0
    allowed: int = 0
    detected: int = 0
    established: int = 0
    bytes_in: int = 0
    source_count: int = 0
    target_count: int = 0
    port_count: int = 0
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    signatures: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    reporters: tuple[Reporter, ...] = ()
    groups: int = 0

    @property
    def all_blocked(self) -> bool:
        """Did the devices block every line of it?"""
        return self.blocked == self.tries

    def to_json(self) -> dict[str, int | list[str] | list[int] | list[list[str]]]:
        return {
            "tries": self.tries,
            "distinct": self.distinct,
            "members": self.members,
            "forces": self.forces,
            "blocked": self.blocked,
            "allowed": self.allowed,
            "detected": self.detected,
            "established": self.established,
            "bytes_in": self.bytes_in,
            "source_count": self.source_count,
            "target_count": self.target_count,
            "port_count": self.port_count,
            "sources": list(self.sources),
            "targets": list(self.targets),
            "ports": list(self.ports),
            "signatures": list(self.signatures),
            "cves": list(self.cves),
            "threats": list(self.threats),
            "reporters": [[r.product, r.device] for r in self.reporters],
            "groups": self.groups,
        }

    @classmethod
    def from_json(cls, value: object) -> Evidence:
        """Read what `to_json` wrote; keys of older or newer versions are passed over."""
        if not isinstance(value, dict):
            raise TypeError("evidence is an object")

        def number(name: str) -> int:
            held = value.get(name, 0)
            if not isinstance(held, int):
                raise TypeError(f"evidence {name} is not a number")
            return held

        def texts(name: str) -> tuple[str, ...]:
            return tuple(str(v) for v in value.get(name, ()))

        return cls(
            tries=number("tries"),
            distinct=number("distinct"),
            members=number("members"),
            forces=number("forces"),
            blocked=number("blocked"),
            allowed=number("allowed"),
            detected=number("detected"),
            established=number("established"),
            bytes_in=number("bytes_in"),
            source_count=number("source_count"),
            target_count=number("target_count"),
            port_count=number("port_count"),
            sources=texts("sources"),
            targets=texts("targets"),
            ports=tuple(int(v) for v in value.get("ports", ())),
            signatures=texts("signatures"),
            cves=texts("cves"),
            threats=texts("threats"),
            reporters=tuple(Reporter(str(product), str(device)) for product, device in value.get("reporters", ())),
            groups=number("groups"),
        )
