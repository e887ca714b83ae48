"""How long a scan takes and how many connections it makes, on loopback decoys; nmap beside it where it is installed.

    python bench/scanner.py [--decoys 20]

Prints one JSON object per engine. nmap is run as a separate program, on the same ports, in the same run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from cyberalarm.lab import decoys
from cyberalarm.scanner.consent import Consent, Tier, new_target, save_consent
from cyberalarm.scanner.feeds.recog import imported_fingerprints
from cyberalarm.scanner.feeds.store import VulnDb
from cyberalarm.scanner.identity import Observation
from cyberalarm.scanner.matching import match
from cyberalarm.scanner.networks import Lab
from cyberalarm.scanner.recognise import Recogniser
from cyberalarm.scanner.scan import Options, scan_targets


def scanned(count: int, folder: Path, vulndb: Path | None) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Scan `count` decoys politely (20 new connections a second) and as fast as the lab may."""
    target, token = new_target("m-bench", "127.0.0.1")
    kinds = decoys.demonstration()
    served = [kinds[n % len(kinds)] for n in range(count)]
    assert isinstance(served[0], decoys.WebDecoy)
    served[0] = replace(served[0], token=token)
    rows = []
    with decoys.running(served) as places:
        ports = tuple(p.port for p in places)
        target = target.model_copy(update={"ports": ports, "web_ports": ports[:1], "proof_port": ports[0]})
        now = datetime.now(UTC)
        consent = Consent(
            member="m-bench", member_name="Bench", accepted_by="Bench", role="Bench", accepted=now, expires=now + timedelta(days=1),
            tiers=tuple(Tier), targets=(target,),
        )  # fmt: skip
        file = folder / "consent.json"
        save_consent(consent, file)
        for name, rate, at_once in (("own, polite", 20.0, 10), ("own, lab", 1000.0, 64)):
            began = time.perf_counter()
            options = Options(lab=Lab.of(["127.0.0.1"]), rate=rate, at_once=at_once, vulndb=vulndb)
            result, _ = scan_targets(file, folder / "out", options)
            seen = sum(1 for s in result.services if s.identities)
            rows.append({"engine": name, "ports": count, "recognised": seen, "seconds": round(time.perf_counter() - began, 2),
                         "connections": result.targets[0].connections})  # fmt: skip
        rows += nmap(ports)
    return matching(vulndb), rows


def nmap(ports: tuple[int, ...]) -> list[dict[str, object]]:
    program = shutil.which("nmap")
    if program is None:
        return [{"engine": "nmap -sV", "skipped": "not installed"}]
    began = time.perf_counter()
    command = [program, "-sT", "-sV", "-Pn", "-n", "-p", ",".join(map(str, ports)), "127.0.0.1", "-oG", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    return [
        {
            "engine": "nmap -sV",
            "ports": len(ports),
            "seconds": round(time.perf_counter() - began, 2),
            "open": text.count("/open/"),
        }
    ]


def matching(vulndb: Path | None) -> dict[str, object]:
    """Identities matched per second against the store given."""
    db = VulnDb.open(vulndb)
    recogniser = Recogniser(imported_fingerprints(db))
    banners = [
        ("http.server", "Apache/2.4.49 (Unix)"),
        ("http.server", "nginx/1.18.0"),
        ("ssh.banner", "OpenSSH_8.9p1"),
        ("ftp.banner", "220 (vsFTPd 2.3.4)"),
    ]
    began, done, found = time.perf_counter(), 0, 0
    while time.perf_counter() - began < 2:
        for kind, text in banners:
            for identity in recogniser.identify(Observation(kind, text)):
                found += sum(a.confidence is not None for a in match(identity, db))
                done += 1
    seconds = time.perf_counter() - began
    db.close()
    return {"engine": "matching", "identities_per_second": round(done / seconds), "matches": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--decoys", type=int, default=20)
    parser.add_argument("--vulndb", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        matched, rows = scanned(arguments.decoys, Path(folder), arguments.vulndb)
    for row in (*rows, matched):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
