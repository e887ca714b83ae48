"""`cyberalarm scanner`: consent and proof, scans, reports, feeds, and why a CVE does or does not apply."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cyberalarm.cli.printing import (
    ExitCode,
    Output,
    count_progress,
    print_document,
    print_jsonl,
    print_rows,
    result_console,
)
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.progress import TaskID

    from cyberalarm.scanner.consent import Tier, Window
    from cyberalarm.scanner.report import ReportFiles
    from cyberalarm.scanner.result import ScanResult

app = typer.Typer(help="Scan what a member owns, with authority, for known vulnerabilities.", no_args_is_help=True)
authority_app = typer.Typer(help="Consent to scans, and proof of control.", no_args_is_help=True)
feeds_app = typer.Typer(help="Vulnerability data.", no_args_is_help=True)
app.add_typer(authority_app, name="authority")
app.add_typer(feeds_app, name="feeds")


class FeedKind(StrEnum):
    NVD = "nvd"
    KEV = "kev"
    RECOG = "recog"


OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]
LabOption = Annotated[
    list[str] | None,
    typer.Option("--lab", help="A loopback address that may be scanned; repeat for more. Marks everything LAB."),
]
StoreOption = Annotated[Path, typer.Option("--vulndb", help="The vulnerability store.")]
StarterOrStoreOption = Annotated[
    Path | None, typer.Option("--vulndb", help="The vulnerability store; without it, the starter set.")
]
ConsentArgument = Annotated[Path, typer.Argument(help="The consent file.", exists=True, dir_okay=False)]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the report.")]
_STORE = Path("vulndb.sqlite3")
_REPORT = Path("vulnerability-report")


def _print_each(
    output: Output, rows: Sequence[Mapping[str, object]], words: Callable[[Mapping[str, object]], str]
) -> None:
    def show() -> None:
        for row in rows:
            result_console().print(words(row))

    print_rows(output, rows, show)


@authority_app.command("new")
def authority_new(
    file: Annotated[Path, typer.Argument(help="The consent file to write.")],
    member: Annotated[str, typer.Option(help="The member's reference.")],
    member_name: Annotated[str, typer.Option(help="The member's name.")],
    accepted_by: Annotated[str, typer.Option(help="Who accepts, by name; they must be entitled to.")],
    role: Annotated[str, typer.Option(help="Their role.")],
    target: Annotated[list[str], typer.Option(help="A host name or address; repeat for more.")],
    tier: Annotated[list[str] | None, typer.Option(help="web, services; repeat for both. Default: web.")] = None,
    port: Annotated[
        list[int] | None, typer.Option(help="Ports of the services tier instead of the usual list.")
    ] = None,
    proof_port: Annotated[int | None, typer.Option(help="Where the verification file is served.")] = None,
    proof_https: Annotated[bool, typer.Option("--proof-https", help="Fetch the verification file by HTTPS.")] = False,
    hosted_elsewhere: Annotated[
        bool, typer.Option("--hosted-elsewhere", help="The host is another company's.")
    ] = False,
    hours: Annotated[str, typer.Option(help="When scanning may run, such as 20:00-06:00.")] = "00:00-00:00",
    months: Annotated[int, typer.Option(min=1, max=12, help="How long the consent lasts.")] = 12,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Record a consent, and print the code that proves control of each target. The codes are shown once."""
    from cyberalarm.scanner import consent as c
    from cyberalarm.scanner.authority import PROOF_PATH

    if file.exists():
        raise CyberAlarmError(f"{file} is there already.", next_step="Name another file.", code="file-exists")
    scheme: Literal["http", "https"] = "https" if proof_https else "http"
    made = [
        c.new_target(
            member,
            host,
            ports=port,
            web_ports=None,
            proof_scheme=scheme,
            proof_port=proof_port,
            hosted_elsewhere=hosted_elsewhere,
        )
        for host in target
    ]
    now = datetime.now(UTC)
    record = c.Consent(
        member=member,
        member_name=member_name,
        accepted_by=accepted_by,
        role=role,
        accepted=now,
        expires=now + timedelta(days=30 * months),
        tiers=_tiers(tier),
        window=_window(hours),
        targets=tuple(t for t, _ in made),
    )
    c.save_consent(record, file)
    rows = [{"target": t.host, "path": PROOF_PATH, "code": token, "port": t.proof_port} for t, token in made]
    _print_each(
        output,
        rows,
        lambda r: f"On {r['target']}, serve this as text/plain at {r['path']} (port {r['port']}):\n  {r['code']}",
    )


def _tiers(named: list[str] | None) -> tuple[Tier, ...]:
    from cyberalarm.scanner.consent import Tier

    try:
        return tuple(Tier(name) for name in named or ["web"])
    except ValueError as error:
        raise typer.BadParameter(f"{error}; tiers are web and services", param_hint="--tier") from error


def _window(hours: str) -> Window:
    from datetime import time

    from cyberalarm.scanner.consent import Window

    try:
        start, end = hours.split("-")
        return Window(start=time.fromisoformat(start), end=time.fromisoformat(end))
    except ValueError as error:
        raise typer.BadParameter("write it as 20:00-06:00", param_hint="--hours") from error


@authority_app.command("check")
def authority_check(
    file: ConsentArgument,
    lab: LabOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """See whether the consent is in force and each target proves control. Nothing is scanned.

    Exit code 3 when a target does not prove control.
    """
    import asyncio

    from cyberalarm.scanner.authority import check_targets
    from cyberalarm.scanner.consent import load_consent
    from cyberalarm.scanner.networks import Lab

    checked = asyncio.run(check_targets(load_consent(file), Lab.of(lab or [])))
    rows = [asdict(c) for c in checked]
    _print_each(
        output,
        rows,
        lambda r: f"{r['target']}: proved, {r['ports']} ports" if r["proved"] else f"{r['target']}: {r['message']}",
    )
    if not all(r["proved"] for r in rows):
        raise typer.Exit(ExitCode.REFUSED)


@authority_app.command("withdraw")
def authority_withdraw(file: ConsentArgument) -> None:
    """Withdraw a consent. A scan that is running stops before its next connection."""
    from cyberalarm.scanner.consent import withdraw

    withdraw(file)
    result_console().print("Withdrawn.")


@app.command("scan")
def scan(
    consent: ConsentArgument,
    out: OutOption = _REPORT,
    vulndb: StarterOrStoreOption = None,
    previous: Annotated[
        Path | None,
        typer.Option(help="The last result (.json), to show what changed.", exists=True, dir_okay=False),
    ] = None,
    lab: LabOption = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=1000, help="New connections a second; above 20 in the lab only.")
    ] = 20.0,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Scan what a consent allows, and write the Vulnerability Assessment Report.

    Exit code 3 when no target proves control, 4 when part of what was asked could not be tested.
    """
    from cyberalarm.scanner.networks import Lab
    from cyberalarm.scanner.scan import Options, scan_targets

    with count_progress() as bars:
        tasks: dict[str, TaskID] = {}

        def progress(host: str, done: int, everything: int) -> None:
            if host not in tasks:
                tasks[host] = bars.add_task(f"Asking {host}", total=everything)
            bars.update(tasks[host], completed=done)

        options = Options(vulndb=vulndb, lab=Lab.of(lab or []), rate=rate, previous=previous, progress=progress)
        result, files = scan_targets(consent, out, options)
    _print_result(result, files, output)
    if not any(t.proved for t in result.targets):
        raise typer.Exit(ExitCode.REFUSED)
    if not result.complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _print_result(result: ScanResult, files: ReportFiles, output: Output) -> None:
    from cyberalarm.scanner.report import plain_lines
    from cyberalarm.scanner.result import to_json

    document = json.loads(to_json(result))
    if output is Output.JSONL:
        print_jsonl(finding | {"lab": result.lab} for finding in document["findings"])
        return
    lines = (*plain_lines(result), f"Report: {files.html}")
    print_document(output, document, lambda: result_console().print(*lines, sep="\n"))


@app.command("report")
def report(
    result: Annotated[Path, typer.Argument(help="A result (.json) of `scanner scan`.", exists=True, dir_okay=False)],
    out: OutOption = _REPORT,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Write the report of an earlier scan again."""
    from cyberalarm.scanner.report import write_report
    from cyberalarm.scanner.result import read_result

    found = read_result(result)
    files = write_report(found, out)
    _print_result(found, files, output)


@app.command("explain")
def explain(
    cve: Annotated[str, typer.Argument(help="Such as CVE-2024-6387.")],
    banner: Annotated[
        str,
        typer.Argument(help="What the service says, such as “SSH-2.0-OpenSSH_9.2p1” or “Server: nginx/1.18.0”."),
    ],
    vulndb: StarterOrStoreOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show each step by which a CVE does or does not apply to a service."""
    from cyberalarm.scanner.explaining import explain_cve

    _print_each(output, [asdict(e) for e in explain_cve(cve, banner, vulndb)], _explained)


def _explained(row: Mapping[str, object]) -> str:
    steps = row["steps"]
    lines = [f"{row['cve']} and {row['product']}: {row['confidence']}"]
    lines += [f"  {n}. {step}" for n, step in enumerate(steps if isinstance(steps, tuple) else (), 1)]
    return "\n".join(lines)


@feeds_app.command("import")
def feeds_import(
    kind: Annotated[FeedKind, typer.Argument(help="What the files are.")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", exists=True)],
    vulndb: StoreOption = _STORE,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Import a feed into the store. The store in use is replaced in one step, or stays as it was."""
    from cyberalarm.scanner.feeds.kev import import_kev
    from cyberalarm.scanner.feeds.nvd import import_nvd
    from cyberalarm.scanner.feeds.recog import import_recog

    with count_progress() as bars:
        task = bars.add_task("Reading", total=None)

        def progress(name: str) -> None:
            bars.update(task, advance=1, description=f"Reading {name}")

        row: dict[str, object] = {"feed": str(kind), "store": str(vulndb)}
        if kind is FeedKind.NVD:
            count = import_nvd(vulndb, tuple(paths), progress)
            row |= {"kept": count.kept, "without_ranges": count.without_ranges, "unreadable": count.unreadable}
        elif kind is FeedKind.KEV:
            row |= {"kept": sum(import_kev(vulndb, path) for path in paths)}
        else:
            row |= {"kept": import_recog(vulndb, tuple(paths), progress)}
    _print_each(output, [row], lambda r: ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in r.items()))


@feeds_app.command("list")
def feeds_list(vulndb: StoreOption = _STORE, output: OutputOption = Output.HUMAN) -> None:
    """Show what the store holds, and how old it is."""
    from cyberalarm.scanner.feeds.store import VulnDb

    db = VulnDb.open(vulndb)
    try:
        rows = [asdict(f) for f in db.feeds()]
    finally:
        db.close()
    _print_each(
        output,
        rows,
        lambda r: f"{r['name']}: {r['rows']} entries, dated {r['dated']}, imported {r['imported']} ({r['note']})",
    )
