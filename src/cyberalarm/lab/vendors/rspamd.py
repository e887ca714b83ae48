"""rspamd to syslog: the task line of its default log_format, and what surrounds it.

Fields: rspamd's documentation, "Logging settings" (log_format). In syslog each message begins `<tag>; module;
function:`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import Event, Housekeeping, Mail, Topic
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

_SPAM = ("BAYES_SPAM(5.10){100.00%;}", "RBL_XBL(4.00)", "R_SPF_FAIL(1.00){-all;}",
         "HFILTER_HOSTNAME_UNKNOWN(2.50){}", "DMARC_POLICY_REJECT(2.00){example.net;reject;}",
         "FORGED_SENDER(0.30){}")  # fmt: skip
_HAM = ("BAYES_HAM(-3.00){99.98%;}", "R_DKIM_ALLOW(-0.20){example.org:s=s1;}", "R_SPF_ALLOW(-0.20){+mx;}",
        "MIME_GOOD(-0.10){multipart/alternative;text/plain;}", "RCVD_TLS_LAST(0.00){}")  # fmt: skip
REQUIRED = 15.0


class Rspamd:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng

    def write(self, at: int, event: Event) -> str:
        tag = f"{self._rng.getrandbits(24):06x}"
        match event:
            case Mail():
                text = f"<{tag}>; task; rspamd_task_write_log: {self._task(event)}"
            case Housekeeping() if event.topic is Topic.UPDATE:
                text = f"<{tag}>; map; read_map_file: /etc/rspamd/maps.d/redirectors.inc: map file is unchanged"
            case Housekeeping():
                port = self._rng.randrange(32768, 60999)
                text = f"<{tag}>; task; accept_socket: accepted connection from 127.0.0.1 port {port}"
            case _:
                raise TypeError(f"rspamd does not log {type(event).__name__}")
        pri = priority.pri(priority.DAEMON, priority.INFORMATION)
        return f"{pri}{clock.bsd(at)} {self._host} rspamd[2214]: {text}"

    def _task(self, m: Mail) -> str:
        rng = self._rng
        if not m.spam:
            action = "no action" if m.score < 4 else "greylist"
        else:
            action = "reject" if m.score >= REQUIRED else "add header"
        symbols = ",".join(rng.sample(_SPAM if m.spam else _HAM, 4))
        return (
            f"id: <{m.message_id}>, qid: <{rng.getrandbits(40):010X}>, ip: {m.client}, from: <{m.sender}>, "
            f"(default: {'T' if m.spam else 'F'} ({action}): [{m.score:.2f}/{REQUIRED:.2f}] [{symbols}]), "
            f"len: {m.size}, time: {rng.randrange(40_000, 900_000) / 1000:.3f}ms, "
            f"dns req: {rng.randrange(8, 40)}, "
            f"digest: <{rng.getrandbits(128):032x}>, rcpts: <{m.recipient}>, mime_rcpts: <{m.recipient}>"
        )
