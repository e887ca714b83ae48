"""`cyberalarm formats release new-key|revocation|build|verify`: packs for collectors that run, signed by a release key."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm import __version__
from cyberalarm.cli.printing import Output, print_document, result_console
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cyberalarm.envelope.releases import PackFile, Release

app = typer.Typer(no_args_is_help=True, help="Packs for collectors that run: releases, signed by a release key.")

OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where to write the private key; must not exist.")],
) -> None:
    """Make a release key. Prints its public half, for the configurations of centre and collectors."""
    from cyberalarm.envelope.keys import SigningKey

    if file.exists():
        raise ConfigurationError(f"{file} exists already.", next_step="Name another file; a key is never overwritten.")
    key = SigningKey.generate()
    key.save(file)
    result_console().print(key.verify_key.to_text())


@app.command()
def revocation(
    key: Annotated[Path, typer.Argument(help="The private release key's file.", exists=True, dir_okay=False)],
) -> None:
    """Print the line that revokes this key for good. Nothing is revoked until it stands in the centre's configuration."""
    from cyberalarm.envelope.keys import SigningKey
    from cyberalarm.envelope.revocations import revoke

    result_console().print(revoke(SigningKey.load(key)))


@app.command()
def build(
    file: Annotated[Path, typer.Argument(help="The release to write; must not exist.")],
    key: Annotated[Path, typer.Option(help="The private release key's file.", exists=True, dir_okay=False)],
    number: Annotated[int, typer.Option(min=1, help="The release's number; higher than any before.")],
    packs: Annotated[
        Path | None, typer.Option(help="Folder of packs, also in folders within; the bundled ones if not given.")
    ] = None,
    program: Annotated[
        str, typer.Option(help="Least version of the program that understands these packs.")
    ] = __version__,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Build a release from a folder of packs and sign it. The packs must pass the linter, together with the bundled ones."""
    from cyberalarm.envelope import releases
    from cyberalarm.envelope.keys import SigningKey
    from cyberalarm.formats import delivery

    if file.exists():
        raise ConfigurationError(f"{file} exists already.", next_step="Name another file, or remove this one.")
    signer = SigningKey.load(key)
    release = releases.Release(number, int(time.time() * 1000), program, _packs_in(packs))
    delivery.joined(release.packs)
    raw = releases.sign(release, signer)
    file.write_bytes(raw)
    _tell(output, release, releases.digest(raw), len(raw))


def _packs_in(folder: Path | None) -> tuple[PackFile, ...]:
    from cyberalarm.envelope.releases import PackFile
    from cyberalarm.formats.library import bundled_files
    from cyberalarm.formats.loader import parse_pack

    files = bundled_files() if folder is None else sorted(folder.rglob("*.toml"))
    if not files:
        raise ConfigurationError(
            f"There is no pack in {folder}.", next_step="Name a folder that holds pack files (.toml)."
        )
    made = []
    for path in files:
        content = path.read_bytes()
        pack = parse_pack(str(path), content)
        made.append(PackFile(pack.name, pack.version, content))
    return tuple(made)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A pack release.", exists=True, dir_okay=False)],
    release_key: Annotated[list[str], typer.Option(help="A public key that may have signed it; may be repeated.")],
    output: OutputOption = Output.HUMAN,
) -> None:
    """Verify a release as a collector does: signature, manifest, program's version, linter."""
    from cyberalarm.envelope import releases
    from cyberalarm.envelope.keys import VerifyKey
    from cyberalarm.formats import delivery

    with file.open("rb") as source:
        raw = source.read(releases.MAX_RELEASE + 1)
    release = releases.read(raw, [VerifyKey.from_text(text) for text in release_key])
    delivery.check_program(__version__, release.program)
    delivery.joined(release.packs)
    _tell(output, release, releases.digest(raw), len(raw))


def _tell(output: Output, release: Release, sha256: str, size: int) -> None:
    from cyberalarm.formats import delivery

    used = delivery.newer(release.packs)
    told = {
        "number": release.number,
        "made": release.made,
        "program": release.program,
        "sha256": sha256,
        "size": size,
        "packs": {pack.name: pack.version for pack in release.packs},
        "newer": used,
    }

    def show() -> None:
        console = result_console()
        console.print(f"Pack release {release.number}: {len(release.packs)} packs, {size:,} bytes, SHA-256 {sha256}")
        console.print(f"Newer than this program's own: {', '.join(used) or 'none'}")

    print_document(output, told, show)
