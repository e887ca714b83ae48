"""`cyberalarm collector certificate`."""

from __future__ import annotations

from typing import Annotated

import typer

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, load
from cyberalarm.cli.printing import Output, print_document, result_console


def certificate(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names and addresses by which devices reach this machine; found out if not given."),
    ] = None,
    config: ConfigOption = None,
    new: Annotated[bool, typer.Option("--new", help="Make a new one in place of the one that is there.")] = False,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show the certificate for syslog over TLS and its fingerprint; make one where there is none."""
    from cyberalarm.collector.certificates import show as show_certificate

    settings = load(config)
    shown = show_certificate(settings, names or [], new=new)
    document = {
        "certificate": str(shown.path),
        "sha256": shown.fingerprint,
        "valid_until": shown.until.isoformat(),
        "made": shown.made,
    }

    def show() -> None:
        console = result_console()
        console.print(f"{'Made' if shown.made else 'Certificate'}: {shown.path}")
        console.print(f"Valid until {shown.until.day} {shown.until:%B %Y}.")
        console.print(f"SHA-256 fingerprint: {shown.fingerprint}")
        console.print("Give the devices this file, or compare the fingerprint where they show it.")
        if not settings.listen.tls:
            console.print('Nothing listens for TLS yet: set tls = ["0.0.0.0:6514"] under [listen], and start anew.')

    print_document(output, document, show)
