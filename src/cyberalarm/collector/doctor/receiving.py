"""What `doctor` says of what lines are taken from beside UDP and TCP: TLS, files that grow, the drop folder, descriptors.

Plain functions over the running collector's note.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cyberalarm.collector.doctor.check import Check, Verdict, count
from cyberalarm.collector.receive.handshakes import ADVICE, Failure

if TYPE_CHECKING:
    from cyberalarm.collector.state import DropNote, FilesNote, State, TlsNote

_AHEAD = 30 * 86_400.0  # a certificate's end is told so long before


def receiving_checks(state: State) -> list[Check]:
    return [*_tls(state.tls), *_files(state.files), *_drop(state.drop), *_descriptors(state.no_descriptors)]


def _tls(note: TlsNote) -> list[Check]:
    if not note.expires:
        return []
    found = []
    if note.trouble:
        found.append(
            Check(
                "TLS",
                Verdict.BAD,
                f"{note.trouble} The certificate that was read before is still in use.",
                "Put the right files there; they are read again by themselves.",
            )
        )
    end = time.strftime("%d %B %Y", time.localtime(note.expires)).lstrip("0")
    renew = "Make a new one with `cyberalarm collector certificate --new`, or have yours renewed, and give it to the devices."
    if note.expires <= time.time():
        found.append(Check("TLS", Verdict.BAD, f"The collector's certificate expired on {end}.", renew))
    elif note.expires - time.time() < _AHEAD:
        found.append(Check("TLS", Verdict.ATTENTION, f"The collector's certificate expires on {end}.", renew))
    for failure in note.failures:
        when = time.strftime("%d %B at %H:%M", time.localtime(failure.last)).lstrip("0")
        words = f"{count(failure.times, 'handshake')} failed, the last from {failure.source} on {when}: {failure.why}."
        advice = ADVICE[Failure(failure.why)] if failure.why in set(Failure) else ""
        found.append(Check("TLS", Verdict.ATTENTION, words, advice))
    return found or [Check("TLS", Verdict.GOOD, f"The certificate is valid until {end}; no handshake has failed.")]


def _files(note: FilesNote) -> list[Check]:
    found = [
        Check(
            "Files",
            Verdict.ATTENTION,
            f"{path}: {why}",
            "See [[files]] in the configuration, and the rights of the file.",
        )
        for path, why in note.troubles.items()
    ]
    if note.positions_lost:
        found.append(
            Check(
                "Files",
                Verdict.ATTENTION,
                "The note of how far files were read was damaged, so they were read from their beginning.",
                "Some lines may be counted twice. Check this machine's disk.",
            )
        )
    if note.following and not found:
        found.append(Check("Files", Verdict.GOOD, f"{count(note.following, 'file')} followed."))
    return found


def _drop(note: DropNote) -> list[Check]:
    if not note.folder:
        return []
    if note.trouble:
        step = (
            "The collector's user must be able to read, write and rename there (ReadWritePaths= in the systemd unit)."
        )
        return [Check("Drop folder", Verdict.BAD, note.trouble, step)]
    words = f"{count(note.waiting, 'file')} waiting in {note.folder}, {note.done:,} done since the start."
    if note.reading and note.size:
        words += f" {note.reading} is being read ({min(note.read / note.size, 1):.0%})."
    if note.failed:
        words += f" {note.failed:,} failed."
        return [Check("Drop folder", Verdict.ATTENTION, words, f"Read why beside them in {note.folder}/failed.")]
    return [Check("Drop folder", Verdict.GOOD, words)]


def _descriptors(times: int) -> list[Check]:
    if not times:
        return []
    words = (
        f"{times:,} times no connection could be taken, because the program had too many files and connections open."
    )
    return [Check("Connections", Verdict.ATTENTION, words, "Raise LimitNOFILE= in the systemd unit.")]
