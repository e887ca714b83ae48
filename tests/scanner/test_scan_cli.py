"""The command line as a person and a program use it: stdout, exit codes, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cyberalarm.cli.printing import ExitCode
from cyberalarm.lab import decoys
from cyberalarm.scanner.authority import PROOF_PATH
from cyberalarm.scanner.checks import checks
from cyberalarm.scanner.consent import new_target, save_consent
from cyberalarm.scanner.findings import Confidence, State
from tests.cli.program import Told, run_inside
from tests.scanner.scan_lab import consent_for, listening, say_nothing
from tests.scanner.test_scan_feeds import nvd_record, page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scanner.md"


def run(*arguments: object) -> Told:
    return run_inside("scanner", *arguments)


def new_consent(file: Path, port: int, *more: object) -> Told:
    return run(
        "authority", "new", file, "--member", "m-lab", "--member-name", "Example Trust", "--accepted-by", "A. Head",
        "--role", "Head teacher", "--target", "127.0.0.1", "--tier", "services", "--port", port, "--proof-port", port,
        "--output", "json", *more,
    )  # fmt: skip


def test_from_consent_to_report(tmp_path: Path) -> None:
    website = decoys.WebDecoy("website", "Apache/2.4.50 (Unix)")
    token_holder: list[str] = []

    class Late(decoys.WebDecoy):
        """A site whose owner puts the code up only after it was given out."""

        async def serve(self, reader: object, writer: object) -> None:  # type: ignore[override]
            await replace(website, token=token_holder[0] if token_holder else "").serve(reader, writer)  # type: ignore[arg-type]

    consent, out = tmp_path / "consent.json", tmp_path / "report"
    with decoys.running([Late("website", "")]) as (place,):
        made = new_consent(consent, place.port)
        assert made.code == ExitCode.DONE, made.stderr
        (row,) = json.loads(made.stdout)
        assert row["path"] == PROOF_PATH
        assert run("authority", "check", consent, "--lab", "127.0.0.1").code == ExitCode.REFUSED
        assert run("scan", consent, "--out", out, "--lab", "127.0.0.1").code == ExitCode.REFUSED
        token_holder.append(row["code"])
        checked = run("authority", "check", consent, "--lab", "127.0.0.1", "--output", "jsonl")
        assert checked.code == ExitCode.DONE
        assert json.loads(checked.stdout)["proved"] is True
        scanned = run("scan", consent, "--out", out, "--lab", "127.0.0.1", "--rate", "500", "--output", "json")
        assert scanned.code == ExitCode.DONE, scanned.stderr
    result = json.loads(scanned.stdout)
    assert [f["cves"] for f in result["findings"] if f["confidence"] == "firm"] == [["CVE-2021-42013"]]
    again = run("report", out / "vulnerability-assessment.json", "--out", tmp_path / "again", "--output", "human")
    assert again.code == ExitCode.DONE
    assert "CVE-2021-42013" in again.stdout
    assert (tmp_path / "again" / "vulnerability-assessment.html").read_bytes() == (
        out / "vulnerability-assessment.html"
    ).read_bytes()
    assert run("authority", "withdraw", consent).code == ExitCode.DONE
    refused = run("scan", consent, "--out", out, "--lab", "127.0.0.1")
    assert refused.code == ExitCode.REFUSED
    assert "scanner.authority.withdrawn" in refused.stderr
    assert refused.stdout == ""


def test_lab_must_name_loopback(tmp_path: Path) -> None:
    with listening(say_nothing) as (server,):
        consent = tmp_path / "consent.json"
        new_consent(consent, server.port)
        assert run("scan", consent, "--lab", "192.0.2.1").code == ExitCode.FAILED
        assert run("scan", consent, "--out", tmp_path / "o", "--lab", "127.0.0.2").code == ExitCode.REFUSED
        assert server.connections == 0


def test_a_target_that_could_not_be_tested_is_told_by_the_exit_code(tmp_path: Path) -> None:
    consent = tmp_path / "consent.json"
    target, token = new_target("m-lab", "127.0.0.1")
    with decoys.running([decoys.WebDecoy("website", "nginx", token), decoys.WebDecoy("not ours", "nginx")]) as (
        ours,
        other,
    ):
        targets = (
            target.model_copy(update={"ports": (ours.port,), "web_ports": (ours.port,), "proof_port": ours.port}),
            target.model_copy(update={"host": "127.0.0.2", "proof_port": other.port}),
        )
        save_consent(consent_for(*targets), consent)
        lab = ("--lab", "127.0.0.1", "--lab", "127.0.0.2", "--rate", "500")
        told = run("scan", consent, "--out", tmp_path / "report", *lab, "--output", "json")
    assert told.code == ExitCode.INCOMPLETE, told.stderr
    assert [n["target"] for n in json.loads(told.stdout)["not_tested"] if n["failed"]] == ["127.0.0.2"]


def test_a_consent_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "consent.json"
    assert new_consent(file, 80).code == ExitCode.DONE
    before = file.read_bytes()
    assert new_consent(file, 80).code == ExitCode.FAILED
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "more", [("--tier", "everything"), ("--hours", "evening"), ("--months", "13"), ("--target", "0x7f.1")]
)
def test_wrong_use(more: tuple[str, str], tmp_path: Path) -> None:
    made = new_consent(tmp_path / "consent.json", 80, *more)
    assert made.code in {ExitCode.NOT_UNDERSTOOD, ExitCode.REFUSED}
    assert not (tmp_path / "consent.json").exists()


def test_feeds_and_explain(tmp_path: Path) -> None:
    file, store = tmp_path / "a.json", tmp_path / "db.sqlite3"
    file.write_text(page(nvd_record()), "utf-8")
    imported = run("feeds", "import", "nvd", file, "--vulndb", store, "--output", "json")
    assert imported.code == ExitCode.DONE, imported.stderr
    assert json.loads(imported.stdout)[0]["kept"] == 1
    listed = run("feeds", "list", "--vulndb", store, "--output", "jsonl")
    assert [json.loads(line)["name"] for line in listed.stdout.splitlines()] == ["nvd", "starter"]
    explained = run("explain", "CVE-2024-6387", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2", "--vulndb", store)
    assert explained.code == ExitCode.DONE
    assert "firm" in explained.stdout
    assert run("explain", "CVE-1999-0001", "SSH-2.0-OpenSSH_9.2p1").code == ExitCode.FAILED
    assert run("explain", "CVE-2024-6387", "what is this").code == ExitCode.FAILED
    assert run("feeds", "import", "kev", file, "--vulndb", store).code == ExitCode.FAILED
    assert run("feeds", "list", "--vulndb", tmp_path / "none").code == ExitCode.FAILED


def test_the_document_is_complete() -> None:
    text = DOCUMENT.read_text("utf-8")
    commands = [
        "scan",
        "report",
        "explain",
        "feeds import",
        "feeds list",
        "authority new",
        "authority check",
        "authority withdraw",
    ]
    for wanted in (
        *(f"cyberalarm scanner {c}" for c in commands),
        *(f"`{c}`" for c in checks()),
        *Confidence,
        *State,
        PROOF_PATH,
    ):
        assert wanted in text, wanted
