"""Are the ports open, by the collector; and when it does not run, could it open them, or who has them?"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from cyberalarm.collector import machine
from cyberalarm.collector.doctor.check import Check, Verdict
from cyberalarm.collector.receive.endpoint import bound, split_endpoint

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.machine import Listener
    from cyberalarm.collector.state import State

_SYSLOG_SERVERS = ("rsyslogd", "syslog-ng", "systemd-journal")


def port_checks(config: CollectorConfig, state: State | None, *, running: bool | None) -> list[Check]:
    """One check for each port of the configuration. `running` is None where that cannot be seen."""
    listeners = machine.listeners(config)
    if running is None:
        return [_seen_from_outside(listener) for listener in listeners]
    if state is None:
        return [_free(listener) for listener in listeners]
    open_now = state.listening.model_dump()
    return [_ours(listener, open_now.get(listener.protocol, [])) for listener in listeners]


def _seen_from_outside(listener: Listener) -> Check:
    who = machine.holder(listener)
    if who:
        return Check(listener.name, Verdict.GOOD, f"Open, by {who}.")
    return Check(listener.name, Verdict.ATTENTION, "Nobody listens there.", "Is the collector running?")


def _ours(listener: Listener, open_now: list[str]) -> Check:
    if any(_same(listener.endpoint, endpoint) for endpoint in open_now):
        return Check(listener.name, Verdict.GOOD, "Open, by the collector.")
    return Check(
        listener.name,
        Verdict.ATTENTION,
        "The configuration names it, but the running collector does not listen there.",
        "The configuration was changed after the start: sudo systemctl restart cyberalarm-collector",
    )


def _same(configured: str, listening: str) -> bool:
    """Port 0 and a name instead of an address stand for whatever the system made of them."""
    (host, port), (other_host, other_port) = split_endpoint(configured), split_endpoint(listening)
    if port not in {0, other_port}:
        return False
    try:
        return ip_address(host) == ip_address(other_host)
    except ValueError:
        return True


def _free(listener: Listener) -> Check:
    try:
        bound(listener.endpoint, listener.kind).close()
    except PermissionError:
        words = "Ports below 1024 need a right that this user does not have."
        step = "Run the collector by its systemd unit, or choose a port such as 5514."
        return Check(listener.name, Verdict.BAD, words, step)
    except OSError as error:
        who = machine.holder(listener)
        found = f"Cannot be used: {error.strerror}{f'. It is held by {who}' if who else ''}."
        return Check(listener.name, Verdict.BAD, found, _make_way(listener, who))
    return Check(listener.name, Verdict.GOOD, "Free.")


def _make_way(listener: Listener, who: str) -> str:
    key = f"listen.{listener.protocol}"
    if who.startswith(_SYSLOG_SERVERS):
        return (
            f"This machine's own syslog server takes lines from the network: switch that off in its configuration, or choose"
            f" another port in {key} and at your devices."
        )
    if who:
        return f"End it, or choose another port in {key} and at your devices."
    return f"See which program holds it: sudo ss -lnptu. Or choose another port in {key} and at your devices."
