"""The script: what happens to whom, and which rule a correct centre raises for it.

An episode's volume does not follow the scale of the background, so that thresholds are met at any scale. Runs
shorter than two days leave too little room for the slow scan and the rising source to be told from noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import detections, probes, signatures
from cyberalarm.lab.hostile import hostile_text
from cyberalarm.lab.randomness import stream
from cyberalarm.lab.scenario import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cyberalarm.lab.episodes import Episode, Window
    from cyberalarm.lab.scenario import Device, Member, Scenario
    from cyberalarm.lab.traffic import Signature

    Script = Callable[[Member, Device, Window, Random], Episode]


def _scripts(member: Member) -> list[tuple[Vendor, Script]]:
    """What is scripted at a member, by the device that sees it."""

    def exploits(known: tuple[Signature, ...], share: float) -> Script:
        return lambda m, d, w, r: detections.ids_exploit(m, d, w, r, known, share)

    scripts: dict[str, list[tuple[Vendor, Script]]] = {
        "school": [
            (Vendor.FORTIGATE, probes.remote_desktop_guessing),
            (Vendor.FORTIGATE, probes.sweep),
            (Vendor.FORTIGATE, exploits(signatures.FORTIGATE_EXPLOITS, 0.36)),
            (Vendor.FORTIGATE, detections.malware_in_transit),
            (Vendor.CLAMAV, detections.malware_on_disk),
            (Vendor.RSPAMD, detections.spam_run),
        ],
        "business": [
            (Vendor.PFSENSE, probes.vertical_scan),
            (Vendor.PFSENSE, probes.amplification_victim),
            (Vendor.SURICATA, exploits(signatures.EXPLOITS[:3], 0.49)),
            (Vendor.SPAMASSASSIN, detections.spam_run),
        ],
        "council": [
            (Vendor.ASA, probes.slow_scan),
            (Vendor.NETFILTER, probes.ssh_guessing),
            (Vendor.NETFILTER, probes.amplification_reflector),
            (Vendor.SURICATA, exploits(signatures.EXPLOITS, 0.78)),
            (Vendor.CLAMAV, detections.malware_on_disk),
        ],
    }
    return scripts.get(member.key, [])


def script(scenario: Scenario, seed: str, window: Window) -> tuple[Episode, ...]:
    """All episodes of a run, hostile text included."""
    found = [
        make(member, member.device(vendor), window, stream(seed, "episode", member.key, vendor, number))
        for member in scenario.members
        for number, (vendor, make) in enumerate(_scripts(member))
    ]
    found.append(probes.shared_source(scenario, window, stream(seed, "episode", "everywhere")))
    found += [
        hostile_text(member, window, stream(seed, "episode", member.key, "hostile")) for member in scenario.members
    ]
    return tuple(found)
