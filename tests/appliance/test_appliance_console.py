"""The console: a person's way from the first question to the screen that says how things are."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cyberalarm.appliance import unattended
from cyberalarm.appliance.console import Console
from cyberalarm.appliance.machine import Machine
from cyberalarm.appliance.terminal import printable
from tests.appliance.test_appliance_answers import DELIVERED, TOKEN
from tests.collector.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '[{"link": "Program", "verdict": "good", "found": "The collector is running.", "next_step": ""}]'
# Stand in for the machine's own programs: they note how they were called.
PROGRAMS = {
    "ip": """echo '[{"addr_info": [{"family": "inet6", "local": "2001:db8::5"}, {"family": "inet", "local": "192.0.2.5"}]}]'""",
    "systemctl": '[ "$1" != show ] || echo "$STATE"',
    "networkctl": "",
    "cyberalarm-collector": """
case "$1" in
  enrol)
    read -r token
    case "$REFUSE $*" in
      "chain-broken enrol") echo 'Bundles wait. (code: chain-broken)' >&2; exit 1 ;;
      unreachable*) echo 'The centre could not be reached. (code: unreachable)' >&2; exit 5 ;;
      token-used*) echo 'The token was used. (code: token-used)' >&2; exit 3 ;;
    esac
    mkdir -p "$ROOT/var/lib/cyberalarm-collector"; echo "$token" > "$ROOT/var/lib/cyberalarm-collector/identity.json"
    echo 'Enrolled as C-EXAMPLE at https://centre.example.' ;;
  doctor) echo "$LINKS"; exit 4 ;;
esac""",
}


class EndedError(Exception):
    """The person has gone."""


@dataclass
class Person:
    """Gives the answers in turn, then goes; sees everything that is said."""

    answers: list[str]
    seen: list[str] = field(default_factory=list)

    def clear(self) -> None:
        pass

    def say(self, text: str = "") -> None:
        self.seen.append(text)

    def show(self, text: str) -> None:
        self.seen.append(text)

    def ask(self, question: str) -> str:
        self.seen.append(question)
        if not self.answers:
            raise EndedError
        return self.answers.pop(0)

    def key(self, seconds: float) -> str:
        return self.ask("key") or "\n"

    @property
    def text(self) -> str:
        return "\n".join(self.seen)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    programs, root = tmp_path / "bin", tmp_path / "root"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        path = programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$ROOT/called"\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    for folder in ("etc/cyberalarm", "etc/systemd/network", "run"):
        (root / folder).mkdir(parents=True)
    (root / "etc/cyberalarm/collector.toml").write_text(DELIVERED)
    monkeypatch.setenv("ROOT", str(root))
    monkeypatch.setenv("LINKS", GOOD)
    monkeypatch.setenv("REFUSE", "")
    monkeypatch.setenv("STATE", "active")
    return Machine(root, programs)


def meets(machine: Machine, *answers: str) -> str:
    person = Person(list(answers))
    with pytest.raises(EndedError):
        Console(machine, person).run()
    return person.text


def test_enter_all_the_way_and_the_token_is_enough(machine: Machine) -> None:
    seen = meets(machine, "", "", "", "", TOKEN, "")
    assert "This machine's address: 192.0.2.5, 2001:db8::5" in seen
    assert "Enrolled as C-EXAMPLE" in seen
    assert "192.0.2.5   port 514, UDP or TCP" in seen
    assert "All is well" in seen
    assert machine.settings.proxy == ""
    assert not machine.fixed_network.exists()


def test_enter_keeps_what_was_answered_before_and_a_word_takes_it_away(machine: Machine) -> None:
    network = ("192.168.1.50/24", "192.168.1.1", "")
    meets(machine, "", *network, "http://user:secret@proxy.example:3128", "203.0.113.9", "")
    seen = meets(machine, "", "", "", "", "")
    for there in ("keep 192.168.1.50/24", "keep http://...@proxy.example:3128", "keep 203.0.113.9/32"):
        assert there in seen
    assert "secret" not in seen
    assert machine.fixed_address == "192.168.1.50/24"
    assert machine.proxy == "http://user:secret@proxy.example:3128"
    assert machine.own_networks == ["203.0.113.9/32"]
    meets(machine, "", "dhcp", "none", "None", "")
    assert (machine.fixed_address, machine.proxy, machine.own_networks) == ("", "", [])


def test_the_configuration_keeps_its_rights(machine: Machine) -> None:
    machine.config.chmod(0o640)
    machine.set_proxy("http://user:secret@proxy.example:3128")
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o640
    machine.config.unlink()
    machine.set_own_networks(["203.0.113.9/32"])
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o644


def test_every_answer_is_taken_up(machine: Machine) -> None:
    network = ("192.168.1.50/24", "192.168.1.1", "9.9.9.9, 192.168.1.1")
    meets(machine, "", *network, "http://proxy.example:3128", "203.0.113.9 198.51.100.0/29", TOKEN, "")
    assert machine.settings.proxy == "http://proxy.example:3128"
    assert machine.settings.networks.own == ["203.0.113.9/32", "198.51.100.0/29"]
    assert "DNS=9.9.9.9\nDNS=192.168.1.1\n" in machine.fixed_network.read_text()
    assert "networkctl reload" in (machine.root / "called").read_text()


def test_a_wrong_answer_is_said_and_asked_again(machine: Machine) -> None:
    seen = meets(machine, "", "192.168.1.50", "", "ftp://x", "", "nowhere", "", TOKEN[:-1], TOKEN, "")
    for words in ("such as 192.168.1.50/24", "http://proxy.example:3128", "203.0.113.0/29", "cut off"):
        assert f"{words}" in seen
    assert machine.is_enrolled


def test_a_router_of_another_network_is_asked_for_again(machine: Machine) -> None:
    seen = meets(machine, "", "192.168.1.50/24", "192.168.2.1", "192.168.1.50/24", "192.168.1.1", "")
    assert "That cannot be used: the gateway is another machine of the network 192.168.1.0/24" in seen
    assert "Gateway=192.168.1.1\n" in machine.fixed_network.read_text()


def test_a_refused_token_is_asked_again_in_the_centres_words(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSE", "token-used")
    assert "The token was used." in meets(machine, "", "", "", "", TOKEN)
    assert not machine.is_enrolled


def test_bundles_that_no_longer_fit_are_set_aside_only_when_a_person_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSE", "chain-broken")
    meets(machine, "", "", "", "", TOKEN, "", "", "", "", "")
    assert not machine.is_enrolled
    meets(machine, "", "", "", "", TOKEN, "yes", "")
    assert machine.is_enrolled


def test_words_of_strangers_cannot_steer_the_screen() -> None:
    assert printable("a\x1b[2Jb\x9bc → “d”\n") == 'a?[2Jb?c -> "d"\n'


def test_changed_settings_of_an_enrolled_collector_are_taken_up_at_once(machine: Machine) -> None:
    machine.enrol(TOKEN)
    meets(machine, "m", "3", "203.0.113.9")
    assert "systemctl restart cyberalarm-collector.service" in (machine.root / "called").read_text()


def test_the_menu_survives_what_fails(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.enrol(TOKEN)
    monkeypatch.setenv("LINKS", "no JSON at all")
    seen = meets(machine, "m", "1", "", "m", "9", "m", "6", "no")
    assert "no JSON at all" in seen
    assert "reboot" not in (machine.root / "called").read_text()


def _credential(machine: Machine, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine.root / "credentials"
    folder.mkdir()
    (folder / unattended.CREDENTIAL).write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))


def test_a_credential_sets_the_machine_up_without_a_person(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    _credential(machine, f'token = "{TOKEN}"\nown = ["203.0.113.9"]\nproxy = "http://proxy.example:3128"', monkeypatch)
    assert unattended.main(machine) == 0
    assert machine.is_enrolled
    assert (machine.settings.proxy, machine.settings.networks.own) == ("http://proxy.example:3128", ["203.0.113.9/32"])
    assert machine.setup_note() == ""


def test_what_is_wrong_with_it_stands_on_the_screen_without_the_token(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _credential(machine, f'token = "{TOKEN}"', monkeypatch)
    monkeypatch.setenv("REFUSE", "token-used")
    assert unattended.main(machine) == unattended.IN_VAIN
    seen = meets(machine)
    assert "did not work. It is not tried again" in seen
    assert "The token was used." in seen
    assert TOKEN[5:40] not in seen


def test_what_may_work_later_is_tried_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    _credential(machine, f'token = "{TOKEN}"', monkeypatch)
    monkeypatch.setattr(unattended, "_PAUSES", ())
    monkeypatch.setenv("REFUSE", "unreachable")
    assert unattended.main(machine) == unattended.AGAIN
    assert "It is tried again by itself." in machine.setup_note()
    unit = ROOT / "deploy/appliance/root/usr/lib/systemd/system/cyberalarm-setup.service"
    assert f"\nRestartPreventExitStatus={unattended.IN_VAIN}\n" in unit.read_text()


def test_a_person_who_begins_is_not_overruled_by_the_set_up_file(machine: Machine) -> None:
    machine.note.write_text("Setting up by the set-up file ...\n")
    seen = meets(machine, "", "", "", "", "")
    assert "left aside" in seen
    called = (machine.root / "called").read_text()
    assert "systemctl stop cyberalarm-setup.service" in called
    assert machine.setup_note() == ""


def test_a_collector_that_starts_is_not_called_broken(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.enrol(TOKEN)
    monkeypatch.setenv("LINKS", GOOD.replace('"good"', '"bad"').replace("is running", "is not running"))
    assert "NOT WORKING: Program" in meets(machine, "")
    monkeypatch.setenv("STATE", "activating")
    seen = meets(machine, "")
    assert "The collector is starting." in seen
    assert "NOT WORKING" not in seen


def test_advice_is_for_a_machine_without_sudo(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKS", GOOD.replace('"next_step": ""', '"next_step": "Ask: sudo ss -lnptu"'))
    assert machine.links()[0].next_step == "Ask: ss -lnptu"
    assert "sudo" not in machine.doctor()


def test_the_first_screen_gives_way_when_the_set_up_file_has_done_its_work(machine: Machine) -> None:
    class Watching(Person):
        def key(self, seconds: float) -> str:
            if not machine.is_enrolled:
                machine.enrol(TOKEN)
                return ""
            return super().key(seconds)

    person = Watching([])
    with pytest.raises(EndedError):
        Console(machine, person).run()
    assert "first steps" in person.text
    assert "All is well" in person.text


def test_once_enrolled_no_disk_or_credential_counts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.enrol(TOKEN)
    _credential(machine, f'token = "{TOKEN}"\nproxy = "http://elsewhere.example:1"', monkeypatch)
    assert unattended.main(machine) == 0
    assert machine.settings.proxy == ""


def test_without_a_disk_or_credential_nothing_happens(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert unattended.content(None, machine.root / "no-disk") is None
    assert list((machine.root / "run").iterdir()) == []
