"""How findings live from scan to scan: new, open, fixed, reopened, not seen, withdrawn.

*Fixed* needs the service to be seen again without the finding. A service that did not answer is *not
seen*; a finding that went although the very same version was seen is *withdrawn*, for then our data
changed and not the member's system.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyberalarm.scanner.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.scanner.identity import Service
    from cyberalarm.scanner.result import ScanResult


def compared(
    findings: Iterable[Finding], services: Iterable[Service], previous: ScanResult | None, today: str
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The present findings with their state, and the previous ones that are gone with theirs."""
    before = {f.key: f for f in previous.findings} if previous else {}
    was_gone = {f.key: f for f in previous.gone} if previous else {}
    present: list[Finding] = []
    for finding in findings:
        old = before.get(finding.key) or was_gone.get(finding.key)
        if old is None:
            present.append(replace(finding, state=State.NEW, first_seen=today))
        else:
            reopened = finding.key not in before and old.state is State.FIXED
            present.append(
                replace(finding, state=State.REOPENED if reopened else State.OPEN, first_seen=old.first_seen)
            )
    keys = {f.key for f in present}
    seen = {(s.target, s.port): s for s in services}
    gone = [replace(f, state=_why_gone(f, seen)) for key, f in before.items() if key not in keys]
    # What was fixed or not seen before stays on record, so that it can reopen.
    gone += [f for key, f in was_gone.items() if key not in keys and key not in before]
    return tuple(present), tuple(gone)


def _why_gone(finding: Finding, seen: dict[tuple[str, int], Service]) -> State:
    service = seen.get((finding.target, finding.port))
    if service is None:
        return State.NOT_SEEN
    if finding.product and any(i.title == finding.product and i.version == finding.version for i in service.identities):
        # The same number may still be a newer package: only an unchanged banner proves that nothing was done.
        return State.WITHDRAWN if service.banner == finding.evidence else State.FIXED
    return State.FIXED
