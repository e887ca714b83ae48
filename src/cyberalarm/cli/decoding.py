"""`cyberalarm formats decode`: streams of lines in, an object for each line out, in pieces, so that memory is bounded by the piece.

It stands in pipelines, where starting should take no time: `plain` reads the words of a command that says nothing but files and the
form of output, without Typer, which takes longer to load than all packs. It knows no words of its own: what it does not read,
mistakes among it, is Typer's, and either way ends in `decode`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cyberalarm.cli.printing import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm._kernel import Sieve

_WORDS = ("formats", "decode")
_STDIN = Path("-")
_PIECE = 4 * 1024 * 1024


class Wanted(NamedTuple):
    """What the command was asked; no files mean standard input, as `-` among them does."""

    files: Sequence[Path]
    output: Output = Output.JSONL
    sieve: bool = False
    config: Path | None = None


def plain(arguments: Sequence[str]) -> Wanted | None:
    """What a plain `formats decode` asks for; None for other commands, and for what Typer must read or explain."""
    if tuple(arguments[:2]) != _WORDS:
        return None
    files, output, sieve = [], Output.JSONL, False
    words = iter(arguments[2:])
    for word in words:
        if word == "--sieve":
            sieve = True
        elif word == "--output":
            form = next(words, "")
            if form not in tuple(Output):
                return None
            output = Output(form)
        elif word == "-" or (not word.startswith("-") and _readable(Path(word))):
            files.append(Path(word))
        else:
            return None
    return Wanted(files, output, sieve)


def _readable(path: Path) -> bool:
    return path.exists() and not path.is_dir() and os.access(path, os.R_OK)


def decode(wanted: Wanted) -> None:
    """Decode all that was asked for, to stdout, numbering lines on from file to file."""
    decoder = _Decoder(wanted.sieve, wanted.config, _Rows(wanted.output))
    for source in wanted.files or [_STDIN]:
        if source == _STDIN:
            decoder.stream(sys.stdin.buffer)
        else:
            with source.open("rb") as lines:
                decoder.stream(lines)
    decoder.finish()


class _Rows:
    """Writes decoded rows as they come, in one of the forms of output; `end` closes the form."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = False

    def write(self, jsonl: bytes) -> None:
        out = sys.stdout.buffer
        if self._output is Output.JSONL:
            out.write(jsonl)
        else:
            for row in jsonl.splitlines():
                out.write(self._person(row) if self._output is Output.HUMAN else self._element(row))
        out.flush()

    def end(self) -> None:
        if self._output is Output.JSON:
            sys.stdout.buffer.write(b"\n]\n" if self._begun else b"[]\n")
            sys.stdout.buffer.flush()

    def _element(self, row: bytes) -> bytes:
        before = b",\n" if self._begun else b"[\n"
        self._begun = True
        return before + row

    def _person(self, row: bytes) -> bytes:
        import json

        told = json.loads(row)
        fields = "  ".join(
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in told.get("event", {}).items()
        )
        return f"{told['line']:>7}  {told['outcome']:12}  {told.get('product', '')}  {fields}".rstrip().encode() + b"\n"


def _longest_line() -> int:
    # Only here: most streams never ask, and start sooner without a collector's receivers.
    from cyberalarm.collector.receive.chunk import LONGEST_LINE

    return LONGEST_LINE


class _Decoder:
    """Decodes streams in pieces, so that memory is bounded by the piece."""

    def __init__(self, sieve: bool, config: Path | None, rows: _Rows) -> None:
        # Here, since the command line reads this module for every command.
        from cyberalarm.formats.library import bundled

        self._kernel = bundled().kernel
        self._offset = 0
        self._sieve: Sieve | None = None
        if sieve or config:
            # Only here: plain decoding starts sooner without them.
            from cyberalarm.collector import config as configuration
            from cyberalarm.collector import sieve as sieves

            settings = configuration.load(config)
            self._offset = settings.utc_offset_s if config else 0
            self._sieve = sieves.build(settings) if sieve else None
        self._rows = rows
        self._line = 1

    def finish(self) -> None:
        self._rows.end()

    def stream(self, lines: BinaryIO) -> None:
        rest = b""
        while piece := lines.read(_PIECE):
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                self._write(whole + newline)
            elif len(rest) > _longest_line():
                rest = self._skip_over_long(rest, lines)
        if rest:
            self._write(rest)

    def _skip_over_long(self, begun: bytes, lines: BinaryIO) -> bytes:
        """Write the over-long line as one overflow, and give what follows its end."""
        self._write(begun[: 128 * 1024] + b"\n")
        while piece := lines.read(_PIECE):
            _, newline, rest = piece.partition(b"\n")
            if newline:
                return rest
        return b""

    def _write(self, whole: bytes) -> None:
        batch = self._kernel.decode(whole, received_ms=int(time.time() * 1000), utc_offset_s=self._offset)
        if self._sieve:
            self._sieve.apply(batch)
        self._rows.write(batch.jsonl(self._line))
        self._line += batch.lines
