"""Events of a week, drawn at random from everything that the schema allows, and sent the way that ingest
does.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from cyberalarm.central.events.arrow import FieldValue, Origin, table_of, with_origin
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Collector
    from cyberalarm.central.reports.period import Period

Row = dict[str, FieldValue]

_OUTSIDE = (
    [f"203.0.113.{n}" for n in range(40)] + [f"198.51.100.{n}" for n in range(10)] + ["2001:db8::51:1", "10.9.8.7", ""]
)
_OWN = ["192.0.2.10", "192.0.2.11", "2001:db8:aaaa::1", ""]
_PORTS = [22, 23, 53, 80, 443, 445, 1433, 3389, 8080, 37777, None]
_SIGNATURES = [("1:1", "Known weakness tried"), ("1:2", "=cmd|' /c calc'!A1"), ("", "")]


def rows_of(seed: int, period: Period, count: int) -> list[Row]:
    """`count` rows, about a tenth of them just outside the period."""
    draw = random.Random(seed)
    return [_row(draw, period) for _ in range(count)]


def _row(draw: random.Random, period: Period) -> Row:
    length = (period.end - period.start).total_seconds()
    offset = draw.uniform(-0.05 * length, 1.05 * length)
    if draw.random() < 0.1:
        offset = draw.choice([0.0, length, length - 0.001, -0.001])
    time = period.start + timedelta(milliseconds=int(offset * 1000))
    row: Row = {
        "time": time,
        "last": time + timedelta(seconds=draw.randrange(60)),
        "count": draw.choice([1, 1, 1, 2, 7, 60, 4_000_000_000]),
        "sensor": draw.choice(["firewall", "firewall", "firewall", "ids", "antivirus", "antispam"]),
        "action": draw.choice(["blocked", "blocked", "allowed", "detected", "unknown"]),
        "direction": draw.choice(["inbound", "inbound", "inbound", "outbound", "internal", "unknown"]),
        "src_ip": draw.choice(_OUTSIDE),
        "dst_ip": draw.choice(_OWN),
        "dst_port": draw.choice(_PORTS),
        "protocol": draw.choice([6, 6, 17, 1, 255]),
        "evidence": draw.choice(["unknown", "one_way", "established"]),
        "category": draw.choice(["none", "scan", "guessing", "exploit", "malware"]),
        "severity": draw.randrange(5),
    }
    if row["sensor"] in {"ids", "firewall"}:
        row["signature_id"], row["signature"] = draw.choice(_SIGNATURES)
        row["cve"] = draw.choice([[], ["CVE-2021-44228"], ["CVE-2017-0144", "CVE-2021-44228"]])
    if row["sensor"] in {"antivirus", "antispam"}:
        row["threat"] = draw.choice(["EICAR", "SPAM", "</script>"])
    if row["sensor"] == "antispam":
        row["sender_domain"] = draw.choice(["offers.example", None])
    return row


def send(
    store: EventStore,
    collector: Collector,
    rows: list[Row],
    *,
    sequence: int = 1,
    sealed: object = None,
    **lines: int,
) -> None:
    """Store rows as one bundle of a collector; `lines` counts lines of other outcomes that came with them."""
    member = collector.site.member
    now = timezone.now()
    origin = Origin(member.pk, collector.pk, sequence, member.force, member.region, now)
    store.insert(with_origin(table_of(rows), origin))
    ledger = Ledger()
    kept = sum(int(str(r.get("count", 1))) for r in rows)
    ledger.add([kept if o is Outcome.KEPT else lines.get(str(o), 0) for o in Outcome])
    Envelope.objects.create(
        collector=collector,
        sequence=sequence,
        digest=f"{collector.pk:032x}{sequence:032x}",
        state=Envelope.State.STORED,
        sealed=sealed or now,
        received=now,
        rows=len(rows),
        lines=ledger.received,
        size=1,
        ledgers={"fw": ledger.to_json()},
    )
