"""`cyberalarm central backup|verify-backup|restore|recovery-key`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli.django_setup import set_up
from cyberalarm.cli.printing import (
    ExitCode,
    Output,
    byte_progress,
    print_document,
    print_rows,
    result_console,
)
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.backup.listing import Manifest

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Configuration file (TOML).")]
OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]
PlaceArgument = Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="The private half of the recovery key.", dir_okay=False)]
NameOption = Annotated[str, typer.Option("--name", help="Which backup; the newest if not given.")]


def register(app: typer.Typer) -> None:
    """Put the commands under their noun."""
    app.command()(backup)
    app.command("verify-backup")(verify_backup)
    app.command()(restore)
    app.command("recovery-key")(recovery_key)


def recovery_key(
    file: Annotated[Path, typer.Argument(help="Where the private half goes; .pub is put beside it.")],
) -> None:
    """Make a recovery key: backups are sealed to its public half and opened with the private one, which does not belong here."""
    from cyberalarm.central.backup import services

    public = services.make_recovery_key(file.resolve())
    result_console().print(f"Private half: {file}. Keep it off this machine, twice.\nPublic half: {public}")


def backup(to: PlaceArgument, config: ConfigOption = None, output: OutputOption = Output.HUMAN) -> None:
    """Back everything up, while the centre runs or not: sealed, verified, and only what an earlier backup there does not have."""
    settings = set_up(config)
    from cyberalarm.central.backup import listing, services

    with _bars() as progress:
        manifest = services.back_up(settings, to, progress)
    _print(output, manifest, listing.fingerprint(manifest))


def _print(output: Output, manifest: Manifest, fingerprint: str) -> None:
    document = {**_outline(manifest), "fingerprint": fingerprint}

    def show() -> None:
        console = result_console()
        console.print(f"Backup {manifest.name}: {manifest.files:,} files, {manifest.size:,} bytes.")
        console.print(f"Newly written, and read again: {manifest.written:,} bytes.")
        console.print(f"Fingerprint, to be noted elsewhere: {fingerprint}")

    print_document(output, document, show)


def _outline(manifest: Manifest) -> dict[str, object]:
    return {name: value for name, value in asdict(manifest).items() if name != "statements"}


def verify_backup(
    place: PlaceArgument,
    key: KeyOption = None,
    name: NameOption = "",
    listed: Annotated[bool, typer.Option("--list", help="Only say which backups are there.")] = False,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Read a backup and hold it against what was written; with the recovery key every file in it. Exit code 1 when damaged."""
    from cyberalarm.central.backup import listing, restoring, services
    from cyberalarm.central.backup.depot import depot

    store = depot(place)
    if listed:
        rows = [_outline(listing.load(store, one)) for one in listing.names(store)]
        print_rows(output, rows, lambda: _show_list(rows))
        return
    manifest = services.chosen(place, name)
    opener = services.recovery_key(key) if key else None
    with _bars() as progress:
        damage = restoring.verify(store, manifest, opener, progress)
    found = [asdict(one) for one in damage]

    def show() -> None:
        console = result_console()
        for one in damage:
            console.print(f"DAMAGED  {one.what}\n         concerns, among others: {', '.join(one.files)}")
        if not damage:
            how = "every file was opened" if opener else "every object is as it was written"
            console.print(f"Backup {manifest.name} is whole: {how}.")

    fingerprint = listing.fingerprint(manifest)
    print_document(output, {"name": manifest.name, "damage": found, "fingerprint": fingerprint}, show)
    raise typer.Exit(ExitCode.FAILED if damage else ExitCode.DONE)


def _show_list(rows: list[dict[str, object]]) -> None:
    for row in rows:
        result_console().print(
            f"{row['name']}  {row['files']:>10,} files  {row['size']:>16,} bytes  by {row['version']}"
        )


def restore(
    place: PlaceArgument,
    key: Annotated[Path, typer.Option("--key", help="The private half of the recovery key.", dir_okay=False)],
    config: ConfigOption = None,
    name: NameOption = "",
    fingerprint: Annotated[str, typer.Option(help="Refuse any backup but the one with this fingerprint.")] = "",
) -> None:
    """Make the data folder of the configuration from a backup. It must be empty; nothing is half restored."""
    from cyberalarm.central import config as configuration
    from cyberalarm.central.backup import listing, restoring, services
    from cyberalarm.central.backup.depot import depot

    wanted = configuration.load(config)
    if (wanted.data / restoring.DUMP).exists():
        _finish(config, wanted.data)
        return
    restoring.refuse_occupied(wanted.data)
    manifest = services.chosen(place, name)
    if fingerprint and listing.fingerprint(manifest) != fingerprint.strip():
        raise ConfigurationError(
            f"The backup {manifest.name} has another fingerprint: {listing.fingerprint(manifest)}.",
            next_step="Name the backup that you mean; if the name is right, somebody has changed it.",
        )
    with _bars() as progress:
        restoring.restore(depot(place), manifest, services.recovery_key(key), wanted.data, progress)
    if (wanted.data / restoring.DUMP).exists():
        _finish(config, wanted.data)
    rows = sum(manifest.rows.values())
    result_console().print(
        f"{wanted.data} is restored from {manifest.name}: {manifest.envelopes:,} envelopes, {rows:,} rows.\n"
        "Start the centre: cyberalarm central serve"
    )


def _finish(config: Path | None, data: Path) -> None:
    """The last step with PostgreSQL, by itself when an earlier run was cut off before it."""
    set_up(config, fresh=True)
    from cyberalarm.central.backup import restoring

    restoring.into_postgresql(data)
    result_console().print("The relational database is restored.")


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """One bar, named by what is being done."""
    with byte_progress() as progress:
        bar = progress.add_task("Beginning", total=None)
        yield lambda what, done, total: progress.update(bar, description=what, completed=done, total=total)
