"""`cyberalarm central serve|migrate|report|alarms|status|rotate-key|police-user` and others."""

from __future__ import annotations

import logging
import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli import backing_up, central_check
from cyberalarm.cli.django_setup import set_up
from cyberalarm.cli.printing import ExitCode, Output, log_to_stderr, print_json, print_jsonl, print_rows, result_console
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError
from cyberalarm.core.places import Level, Scope

if TYPE_CHECKING:
    from cyberalarm.central.commands import MadeReport, StatusRow
    from cyberalarm.central.config import CentralConfig

app = typer.Typer(no_args_is_help=True, help="Run the centre.")
backing_up.register(app)
app.command()(central_check.check)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Configuration file (TOML).")]
OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]


def _say(step: str) -> None:
    sys.stderr.write(f"{step} …\n")
    sys.stderr.flush()


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the centre until stopped (SIGTERM or Ctrl-C): web site, collector API, scheduled work."""
    settings = set_up(config, fresh=True)
    log_to_stderr(logging.INFO)
    from cyberalarm.central.serving import serve as run

    run(settings, _say)


def _part(config: Path | None, role: str) -> None:
    settings = set_up(config, fresh=True)
    log_to_stderr(logging.INFO)
    from cyberalarm.central.roles import Role
    from cyberalarm.central.serving import serve as run

    run(settings, _say, frozenset({Role(role)}))


@app.command()
def web(config: ConfigOption = None) -> None:
    """Run the web site only, beside other processes, with PostgreSQL and ClickHouse servers."""
    _part(config, "web")


@app.command()
def ingest(config: ConfigOption = None) -> None:
    """Run the collector API only, beside other processes, with PostgreSQL and ClickHouse servers."""
    _part(config, "ingest")


@app.command()
def worker(config: ConfigOption = None) -> None:
    """Run the scheduled work only, beside other processes, with PostgreSQL and ClickHouse servers."""
    _part(config, "worker")


@app.command("cluster-ddl")
def cluster_ddl(
    name: Annotated[str, typer.Argument(help="The cluster's name in the ClickHouse servers' configuration.")],
) -> None:
    """Print the statements that make the event store's tables on a ClickHouse cluster; `migrate` runs the same ones."""
    from cyberalarm.central.events.ddl import cluster_statements

    for statement in cluster_statements(name):
        sys.stdout.write(f"{statement};\n\n")


@app.command()
def migrate(config: ConfigOption = None) -> None:
    """Bring both databases to this version's schema, while no centre runs on them."""
    settings = set_up(config, fresh=True)
    from cyberalarm.central.serving import migrate as run

    run(settings)
    result_console().print("Both databases are up to date.")


@app.command()
def report(
    config: ConfigOption = None,
    member: Annotated[
        list[str] | None, typer.Option(help="Reference of a member; all and the trends if not given.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Length of the period.")] = 7,
    last: Annotated[datetime | None, typer.Option(help="Last day of the period.", formats=["%Y-%m-%d"])] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Make reports now, by the running centre, or by this command when none runs."""
    settings = set_up(config)
    made = _make(settings, member or [], days, last.date() if last else None)
    if output is Output.JSON:
        print_json(made)
    elif output is Output.JSONL:
        print_jsonl(made)
    else:
        for one in made:
            result_console().print(f"{one['title']}\n  {one['folder']}")


def _make(config: CentralConfig, only: list[str], days: int, last: date | None) -> list[MadeReport]:
    from cyberalarm.central import control
    from cyberalarm.central.commands import make_reports
    from cyberalarm.central.serving import opened

    if not config.event_store.is_server:
        try:
            told = control.ask(config.data, "report", only=only, days=days, last=last.isoformat() if last else None)
        except CyberAlarmError as error:
            if error.code != "centre-not-running":
                raise
        else:
            return told  # type: ignore[return-value]
    with opened(config) as store:
        return make_reports(store, config.data, last, days, only)


@app.command()
def status(config: ConfigOption = None, output: OutputOption = Output.HUMAN) -> None:
    """How the running centre is, thing by thing. Exit code 4 when something needs attention, 1 when something grave is wrong."""
    settings = set_up(config)
    from cyberalarm.central import control

    rows: list[StatusRow]
    try:
        rows = control.ask(settings.data, "status", timeout=60)  # type: ignore[assignment]
    except CyberAlarmError as error:
        if error.code != "centre-not-running" or not settings.event_store.is_server:
            raise
        rows = _looked_at(settings)

    def show() -> None:
        console = result_console()
        for row in rows:
            sign = "good     " if row["good"] else "BAD      " if row["grave"] else "attention"
            console.print(f"{sign}  {row['name']}: {row['words']}")
            if row["next_step"] and not row["good"]:
                console.print(f"           → {row['next_step']}")

    print_rows(output, rows, show)
    if any(row["grave"] and not row["good"] for row in rows):
        raise typer.Exit(ExitCode.FAILED)
    raise typer.Exit(ExitCode.DONE if all(row["good"] for row in rows) else ExitCode.INCOMPLETE)


def _looked_at(config: CentralConfig) -> list[StatusRow]:
    """As `status` of a process that has no part in the work itself: databases, disk, certificate, jobs."""
    from cyberalarm.central import roles
    from cyberalarm.central.commands import status as look
    from cyberalarm.central.events import store as stores
    from cyberalarm.central.serving import opened

    roles.take(frozenset())
    with opened(config) as store:
        stores.use(store)
        return look()


@app.command()
def alarms(
    config: ConfigOption = None,
    kind: Annotated[str, typer.Option(help="Only alarms of this kind, such as collector-silent.")] = "",
    output: OutputOption = Output.HUMAN,
) -> None:
    """What is wrong at members' collectors and devices now, longest first. Exit code 4 when something is."""
    set_up(config)
    from cyberalarm.central.commands import standing_alarms

    rows = standing_alarms(kind)

    def show() -> None:
        console = result_console()
        for row in rows:
            device = f" {row['device']}" if row["device"] else ""
            console.print(f"{row['since']}  {row['collector']}{device}  {row['kind']}: {row['words']}", markup=False)
        if not rows:
            console.print("No alarm stands.")

    print_rows(output, rows, show)
    raise typer.Exit(ExitCode.INCOMPLETE if rows else ExitCode.DONE)


class Key(StrEnum):
    """As in `central.enrolment.key_rotation.CentreKey`, which is not imported before Django is set up."""

    ANALYSIS = "analysis"
    RECEIPTS = "receipts"
    CERTIFICATE = "certificate"


@app.command("rotate-key")
def rotate_key(
    key: Annotated[
        Key, typer.Argument(help="analysis (opens envelopes), receipts (signs for the centre) or certificate.")
    ],
    why: Annotated[str, typer.Option(help="The reason, for the audit.")],
    now: Annotated[
        bool, typer.Option("--now", help="Use the new one at once, as when the old one was stolen.")
    ] = False,
    files: Annotated[
        Path | None, typer.Option(help="A folder with a certificate of your own and its key.", file_okay=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Replace one of the centre's keys; no collector is lost. A new receipt key or certificate is announced for 14 days first."""
    settings = set_up(config)
    from cyberalarm.central import control
    from cyberalarm.central.commands import rotate

    folder = files.resolve() if files else None
    try:
        told = control.ask(
            settings.data, "rotate", which=key.value, why=why, now=now, files=str(folder) if folder else None
        )
    except CyberAlarmError as error:
        if error.code != "centre-not-running":
            raise
        told = rotate(settings, key.value, why, now=now, files=folder)
    due = told["due"]  # type: ignore[index]
    if due is None:
        result_console().print(f"The key {key.value} is changed.")
    else:
        day = datetime.fromisoformat(due)
        result_console().print(f"The next key {key.value} is announced. It comes into use by itself on {day:%d %B %Y}.")


class CollectorAct(StrEnum):
    STOP = "stop"
    RESUME = "resume"
    REVOKE = "revoke"


@app.command("collector")
def collector_act(
    act: Annotated[CollectorAct, typer.Argument(help="stop, resume or revoke (for good).")],
    reference: Annotated[str, typer.Argument(help="The collector's reference, such as c-7k2m9xqd4t.")],
    why: Annotated[str, typer.Option(help="The reason, for the audit.")],
    config: ConfigOption = None,
) -> None:
    """Stop, resume or revoke a collector; recorded in the audit as done at the centre's own command line."""
    set_up(config)
    from cyberalarm.central.enrolment import services
    from cyberalarm.central.members.models import Collector

    collector = Collector.objects.filter(reference=reference).first()
    if collector is None:
        raise ConfigurationError(f"There is no collector {reference!r}.", next_step="The member's page names them.")
    done = {
        CollectorAct.STOP: services.stop,
        CollectorAct.RESUME: services.resume,
        CollectorAct.REVOKE: services.revoke,
    }[act](collector, None, why)
    result_console().print(f"{reference}: {done.get_status_display()}.")


@app.command("end-membership")
def end_membership(
    reference: Annotated[str, typer.Argument(help="The member's reference, such as m-7k2m9xqd4t.")],
    why: Annotated[str, typer.Option(help="The reason, for the audit.")],
    config: ConfigOption = None,
) -> None:
    """End a membership: its people can no longer sign in as members, its collectors are refused. Data is kept."""
    set_up(config)
    from cyberalarm.central.enrolment import services
    from cyberalarm.central.members.models import Member

    member = Member.objects.filter(reference=reference).first()
    if member is None:
        raise ConfigurationError(f"There is no member {reference!r}.", next_step="The console lists them.")
    done = services.end_membership(member, None, why)
    result_console().print(f"{done.name}: {done.get_status_display()}.")


@app.command("publish-packs")
def publish_packs(
    file: Annotated[
        Path, typer.Argument(help="A pack release, as `formats release build` writes it.", exists=True, dir_okay=False)
    ],
    why: Annotated[str, typer.Option(help="The reason, for the audit.")],
    config: ConfigOption = None,
) -> None:
    """Publish a pack release: collectors fetch it within a minute or two. It is verified and linted first."""
    set_up(config)
    from cyberalarm.central.releases import services
    from cyberalarm.envelope.releases import MAX_RELEASE

    with file.open("rb") as source:
        release = services.publish(source.read(MAX_RELEASE + 1), None, why)
    result_console().print(f"Pack release {release.number} is published: {len(release.packs)} packs.")


@app.command("withdraw-packs")
def withdraw_packs(
    why: Annotated[str, typer.Option(help="The reason, for the audit.")],
    config: ConfigOption = None,
) -> None:
    """Publish no pack release any more: collectors go back to the packs of their program."""
    set_up(config)
    from cyberalarm.central.releases import services

    release = services.withdraw(None, why)
    result_console().print(f"Pack release {release.number} is withdrawn.")


@app.command("police-user")
def police_user(
    email: Annotated[str, typer.Argument(help="The address to sign in with.")],
    name: Annotated[str, typer.Argument(help="The person's name.")],
    scope: Annotated[str, typer.Argument(help="national, region:CODE or force:CODE")],
    role: Annotated[str, typer.Option(help="protect_officer, analyst or operator")] = "analyst",
    config: ConfigOption = None,
) -> None:
    """Make a police account; the password is asked for, or read from standard input."""
    set_up(config)
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    from cyberalarm.central.accounts.models import Role
    from cyberalarm.central.accounts.services import create_police_user

    password = typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        validate_password(password)
        create_police_user(email, name, password, _scope(scope), Role(role))
    except ValidationError as error:
        raise CyberAlarmError(" ".join(error.messages), code="password-weak") from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    result_console().print(f"{email} may sign in now.")


def _scope(text: str) -> Scope:
    level, _, code = text.partition(":")
    match level:
        case Level.NATIONAL:
            return Scope.national()
        case Level.REGION:
            return Scope.of_region(code)
        case Level.FORCE:
            return Scope.of_force(code)
    raise ValueError("the scope must be national, region:CODE or force:CODE")
