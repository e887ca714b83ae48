"""SpamAssassin's spamd: two lines per message, `identified spam`/`clean message` and `result:`.

Fields: spamd(1) and the SpamAssassin wiki's "spamd Syslog Format". spamd is asked by the mail server on the
same machine, so its lines name no client address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import Event, Housekeeping, Mail, MailLine
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

_SPAM_TESTS = ("BAYES_99", "BAYES_999", "HTML_MESSAGE", "RCVD_IN_XBL", "RCVD_IN_PBL", "URIBL_BLACK",
               "SPF_FAIL", "MISSING_MID", "FROM_SUSPICIOUS_NTLD", "RDNS_NONE", "MIME_HTML_ONLY")  # fmt: skip
_HAM_TESTS = ("BAYES_00", "DKIM_SIGNED", "DKIM_VALID", "HTML_MESSAGE", "SPF_PASS", "RCVD_IN_DNSWL_LOW")
REQUIRED = 5.0


class Spamassassin:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng

    def write(self, at: int, event: Event) -> str:
        match event:
            case Mail():
                text = self._verdict(event) if event.line is MailLine.VERDICT else self._result(event)
            case Housekeeping():
                text = self._rng.choice(("prefork: child states: II", "spamd: server pid: 9012"))
            case _:
                raise TypeError(f"spamd does not log {type(event).__name__}")
        pri = priority.pri(priority.MAIL, priority.INFORMATION)
        return f"{pri}{clock.bsd(at)} {self._host} spamd[9014]: {text}"

    def _verdict(self, m: Mail) -> str:
        words = "identified spam" if m.spam else "clean message"
        seconds = self._rng.randrange(2, 40) / 10
        score = f"({m.score:.1f}/{REQUIRED})"
        return f"spamd: {words} {score} for debian-spamd:114 in {seconds} seconds, {m.size} bytes."

    def _result(self, m: Mail) -> str:
        rng = self._rng
        tests = ",".join(sorted(rng.sample(_SPAM_TESTS if m.spam else _HAM_TESTS, 4)))
        bayes = "1.000000" if m.spam else "0.000000"
        return (
            f"spamd: result: {'Y' if m.spam else '.'} {int(m.score):2d} - {tests} "
            f"scantime={rng.randrange(2, 40) / 10},size={m.size},user=debian-spamd,uid=114,"
            f"required_score={REQUIRED},rhost=localhost,raddr=127.0.0.1,rport={rng.randrange(32768, 60999)},"
            f"mid=<{m.message_id}>,bayes={bayes},autolearn={'spam' if m.spam else 'ham'} autolearn_force=no"
        )
