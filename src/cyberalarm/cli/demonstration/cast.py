"""Who takes part: members signed up and approved, their collectors provisioned and enrolled, police with their scopes.

Uses the centre's own services in this process, on the relational database only; the event store belongs to the serving process.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.cli.demonstration.stage import free_port, program
from cyberalarm.collector.config import CollectorConfig, load
from cyberalarm.core.places import Scope, forces

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.lab.scenario import Member as LabMember
    from cyberalarm.lab.scenario import Scenario


@dataclass(frozen=True, slots=True)
class SignIn:
    """An account of the demonstration."""

    who: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Player:
    """A member with its collector: `key` is the lab's name for it, `pk` the centre's."""

    key: str
    name: str
    reference: str
    pk: int
    collector: str
    config_path: Path
    udp_port: int
    tcp_port: int
    sign_in: SignIn

    @property
    def config(self) -> CollectorConfig:
        return load(self.config_path)


def _password() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _ports() -> tuple[int, int]:
    import socket

    return free_port(socket.SOCK_DGRAM), free_port()


def police() -> list[SignIn]:
    """A national analyst, and an operator who looks after the centre."""
    from cyberalarm.central.accounts.models import Role
    from cyberalarm.central.accounts.services import create_police_user

    found = []
    for who, email, role in (
        ("National analyst", "analyst@police.example", Role.ANALYST),
        ("Operator of the centre", "operator@police.example", Role.OPERATOR),
    ):
        password = _password()
        create_police_user(email, who, password, Scope.national(), role)
        found.append(SignIn(who, email, password))
    return found


def join(folder: Path, scenario: Scenario, lab: LabMember) -> tuple[Player, SignIn]:
    """Sign a member up, have its force's Protect officer approve it, and provision a collector. Gives both sign-ins."""
    from cyberalarm.central.accounts.models import Role
    from cyberalarm.central.accounts.services import create_member_user, create_police_user
    from cyberalarm.central.console.services import decide
    from cyberalarm.central.enrolment.services import provision
    from cyberalarm.central.members.models import Member, Site

    officer = SignIn(f"Protect officer, {forces()[lab.force].name}", f"protect@{lab.force}.example", _password())
    person = create_police_user(
        officer.email, officer.who, officer.password, Scope.of_force(lab.force), Role.PROTECT_OFFICER
    )
    member = Member.objects.create(name=lab.name, kind=lab.kind, force=lab.force)
    owner = SignIn(lab.name, f"office@{lab.domain}", _password())
    user = create_member_user(owner.email, "Office manager", owner.password, member)
    member = decide(person, member, approve=True)
    site = Site.objects.create(member=member, name="Main site")
    collector, token = provision(site, "Collector", user)
    path = _configure(folder / lab.key, scenario, lab)
    program("collector", "enrol", "-", "--config", str(path), given=token.to_text())
    config = load(path)
    udp, tcp = (int(endpoints[0].rpartition(":")[2]) for endpoints in (config.listen.udp, config.listen.tcp))
    return Player(lab.key, lab.name, member.reference, member.pk, collector.reference, path, udp, tcp, owner), officer


def _configure(folder: Path, scenario: Scenario, lab: LabMember) -> Path:
    folder.mkdir()
    udp, tcp = _ports()
    path = folder / "collector.toml"
    # JSON strings and lists are TOML strings and lists.
    path.write_text(
        f"""\
data = "data"
time_zone = "UTC"
bundle_seconds = 2

[listen]
udp = ["127.0.0.1:{udp}"]
tcp = ["127.0.0.1:{tcp}"]

[networks]
own = {json.dumps(list(lab.public))}
trusted = {json.dumps(list(scenario.trusted))}
""",
        "utf-8",
    )
    return path
