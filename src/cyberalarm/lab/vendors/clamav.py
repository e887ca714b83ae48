"""ClamAV: clamd's findings and freshclam's updates in syslog (`LogSyslog yes`, facility local6).

With ExtendedDetectionInfo clamd adds the file's MD5 and size in brackets. The path is written as it is,
whatever it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import Event, Housekeeping, Infection, Topic
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device


class Clamav:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng
        self._modern = device.modern

    def write(self, at: int, event: Event) -> str:
        match event:
            case Infection():
                return self._line(at, "clamd", 811, self._found(event))
            case Housekeeping():
                return self._housekeeping(at, event)
            case _:
                raise TypeError(f"ClamAV does not log {type(event).__name__}")

    def _line(self, at: int, program: str, pid: int, text: str) -> str:
        pri = priority.pri(priority.LOCAL6, priority.INFORMATION)
        if self._modern:
            return f"{pri}1 {clock.rfc5424(at)} {self._host} {program} {pid} - - {text}"
        return f"{pri}{clock.bsd(at)} {self._host} {program}[{pid}]: {text}"

    def _found(self, i: Infection) -> str:
        # newer set-ups also switch ExtendedDetectionInfo on
        extended = f"({i.sha256[:32]}:{self._rng.randrange(68, 900_000)})" if self._modern else ""
        return f"{i.path}: {i.malware}{extended} FOUND"

    def _housekeeping(self, at: int, h: Housekeeping) -> str:
        version = 27000 + at // 86_400_000 % 900
        match h.topic:
            case Topic.UPDATE:
                details = f"version: {version}, sigs: 2075{at // 1000 % 1000:03d}, f-level: 90, builder: lab"
                text = f"daily.cld updated ({details})"
                return self._line(at, "freshclam", 402, text)
            case Topic.CONFIGURATION:
                return self._line(at, "clamd", 811, "Reading databases from /var/lib/clamav")
            case _:
                return self._line(at, "clamd", 811, "SelfCheck: Database status OK.")
