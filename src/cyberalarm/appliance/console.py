"""What the console asks and shows. It asks until the collector is enrolled, then shows how things are and offers a menu.

Every question says what an empty answer does. A wrong answer is said and asked again; nothing that fails ends the console.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

from cyberalarm.appliance import answers
from cyberalarm.appliance.answers import FixedAddress
from cyberalarm.appliance.status import summary
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cyberalarm.appliance.machine import Link
    from cyberalarm.core.errors import CyberAlarmError as Error

_LOOK_SECONDS = 30.0
_FIRST_SECONDS = 5.0


class Screen(Protocol):
    def clear(self) -> None: ...
    def say(self, text: str = "") -> None: ...
    def show(self, text: str) -> None: ...
    def ask(self, question: str) -> str: ...
    def key(self, seconds: float) -> str: ...


class Appliance(Protocol):
    """What is asked of the machine."""

    @property
    def is_enrolled(self) -> bool: ...
    @property
    def is_starting(self) -> bool: ...
    @property
    def fixed_address(self) -> str: ...
    @property
    def proxy(self) -> str: ...
    @property
    def own_networks(self) -> list[str]: ...
    def addresses(self) -> list[str]: ...
    def enrol(self, token: str, *, aside: bool = False) -> str: ...
    def links(self) -> list[Link]: ...
    def doctor(self) -> str: ...
    def set_proxy(self, proxy: str) -> None: ...
    def set_own_networks(self, own: Sequence[str]) -> None: ...
    def set_network(self, fixed: FixedAddress | None) -> None: ...
    def restart(self) -> None: ...
    def switch_off(self) -> None: ...
    def shell(self) -> None: ...
    def setup_note(self) -> str: ...
    def leave_setup(self) -> None: ...


class Console:
    def __init__(self, machine: Appliance, screen: Screen) -> None:
        self._machine = machine
        self._screen = screen

    def run(self) -> None:
        """Until the terminal is gone."""
        while True:
            if self._machine.is_enrolled:
                self._watch()
            else:
                self._first_steps()

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._screen.say(line)

    # The first steps

    def _first_steps(self) -> None:
        self._screen.clear()
        self._say(
            "CyberAlarm collector: first steps",
            "",
            "This machine takes the logs of your firewall, keeps what is suspicious, and sends only that,",
            "sealed, to the centre. It needs the registration token from your member page.",
            "",
            *self._address_lines(),
        )
        note = self._machine.setup_note()
        if note:
            self._say("", note)
        self._say("")
        self._say("Press Enter to begin, or M for the menu (restart, command line).")
        pressed = self._screen.key(_FIRST_SECONDS)
        if pressed == "m":
            self._menu()
        if pressed not in {"\r", "\n"} or self._machine.is_enrolled:
            return  # look again: the address may have come, or the set-up file have done its work
        if note:
            self._machine.leave_setup()
            self._say("", "The set-up file is left aside from here on, until this machine is restarted.")
        self._ask_network()
        self._ask_proxy()
        self._ask_own()
        self._ask_token()

    def _address_lines(self) -> list[str]:
        found = self._machine.addresses()
        if found:
            return [f"This machine's address: {', '.join(found[:4])}"]
        return [
            "This machine has no address yet. Is its network card connected, and does your network give addresses (DHCP)?",
            "If it does not, give it a fixed address in the first question.",
        ]

    def _until_good(self, question: str, take: Callable[[str], object]) -> None:
        """Ask until an answer can be used."""
        while True:
            answer = self._screen.ask(question)
            try:
                take(answer)
            except ValueError as error:
                self._say(f"That cannot be used: {error}.")
            except CyberAlarmError as error:
                self._say(*_told(error))
            else:
                return

    def _ask_network(self) -> None:
        self._say("", "Address. Your firewall will send to this machine, so its address must not change.")
        self._say("Either reserve the present one for it in your router (DHCP), or give it a fixed one here.")
        there = self._machine.fixed_address
        enter = f"Enter: keep {there}; the word dhcp: from the network" if there else "Enter: from the network"
        self._until_good(
            f"Fixed address with its network's size, such as 192.168.1.50/24 ({enter}):", self._take_network
        )

    def _take_network(self, answer: str) -> None:
        if not answer:
            return
        if answer.lower() == "dhcp":
            self._machine.set_network(None)
            return
        wanted = answers.checked_interface(answer)
        gateway = answers.checked_gateway(self._screen.ask("Gateway (your router), such as 192.168.1.1:"), wanted)
        servers = (
            self._screen.ask(f"DNS servers, with blanks between them (Enter: {gateway}):").replace(",", " ").split()
        )
        dns = [answers.checked_address(server) for server in servers[:3]] or [gateway]
        self._machine.set_network(FixedAddress(address=wanted, gateway=gateway, dns=dns))

    def _ask_proxy(self) -> None:
        self._say("", "Proxy. Only if your computers reach the Internet through one; most do not.")
        there = _without_password(self._machine.proxy)
        enter = f"Enter: keep {there}; the word none: no proxy" if there else "Enter: none"
        self._until_good(f"Proxy, such as http://proxy.example:3128 ({enter}):", self._take_proxy)

    def _take_proxy(self, answer: str) -> None:
        if answer:
            self._machine.set_proxy("" if answer.lower() == "none" else answers.checked_proxy(answer))

    def _ask_own(self) -> None:
        self._say(
            "",
            "Your public addresses, as your Internet provider gave them to you. By them the collector tells what comes in",
        )
        self._say("from the Internet. Networks such as 192.168.0.0/16 are known and need not be named.")
        there = " ".join(self._machine.own_networks)
        enter = f"Enter: keep {there}; the word none: forget them" if there else "Enter: I do not know them yet"
        self._until_good(f"Public addresses or networks, with blanks between them ({enter}):", self._take_own)

    def _take_own(self, answer: str) -> None:
        if answer:
            named = [] if answer.lower() == "none" else answer.replace(",", " ").split()
            self._machine.set_own_networks([answers.checked_network(one) for one in named])

    def _ask_token(self) -> None:
        self._say(
            "", "Registration token. On your member page: provision a collector. It begins with ca1. and works once."
        )
        self._say("If it cannot be pasted here, use a set-up disk; the installation guide shows how.")
        while True:
            answer = self._screen.ask("Token (Enter: back to the beginning):")
            if not answer:
                return
            try:
                self._enrol(answers.checked_token(answer))
            except ValueError as error:
                self._say(str(error))
                continue
            except CyberAlarmError as error:
                self._say(*_told(error))
                continue
            return

    def _enrol(self, token: str) -> None:
        self._say("Enrolling …")
        try:
            said = self._machine.enrol(token)
        except CyberAlarmError as error:
            if "chain-broken" not in str(error):
                raise
            self._say(*_told(error))
            if self._screen.ask("Keep these bundles aside, and go on? (yes, or Enter: no)").lower() not in {"yes", "y"}:
                return
            said = self._machine.enrol(token, aside=True)
        self._say(*said.splitlines()[:1], "")
        self._screen.ask("Press Enter to go on:")

    # How things are

    def _watch(self) -> None:
        """Show how things are, until somebody asks for the menu. Looking takes seconds: what was seen before stands until then."""
        self._screen.clear()
        self._say("CyberAlarm collector", "", *self._where_to_send(), "", "Looking how things are …")
        while self._machine.is_enrolled:
            seen = self._how_things_are()
            self._screen.clear()
            self._say(*seen, "", "Press M for the menu.")
            if self._screen.key(_LOOK_SECONDS) == "m":
                self._menu()

    def _where_to_send(self) -> list[str]:
        found = self._machine.addresses()
        if not found:
            return ["This machine has no address: nothing can be sent to it. Is its network card connected?"]
        return ["Point your firewall's syslog at:", *(f"    {one}   port 514, UDP or TCP" for one in found[:4])]

    def _how_things_are(self) -> list[str]:
        try:
            words = summary(self._machine.links(), starting=self._machine.is_starting)
        except CyberAlarmError as error:
            words = _told(error)
        looked = f"Looked at {time.strftime('%H:%M:%S', time.gmtime())} UTC, and again every half minute."
        return ["CyberAlarm collector", "", *self._where_to_send(), "", *words, "", looked]

    def _menu(self) -> None:
        choices: dict[str, tuple[str, Callable[[], None]]] = {
            "1": ("Check each link, in full", self._show_all),
            "2": ("This machine's address: fixed, or from the network", self._ask_network),
            "3": ("Your public addresses", self._ask_own),
            "4": ("Proxy", self._ask_proxy),
            "5": ("Enrol with a new token", self._ask_token),
            "6": ("Restart this machine", lambda: self._sure("Restart", self._machine.restart)),
            "7": ("Switch this machine off", lambda: self._sure("Switch off", self._machine.switch_off)),
            "8": ("Command line (for support; type exit to come back)", self._machine.shell),
        }
        self._screen.clear()
        self._say("Menu", "", *(f"  {number}  {words}" for number, (words, _) in choices.items()), "")
        chosen = choices.get(self._screen.ask("Number (Enter: back):"))
        if chosen is None:
            return
        try:
            chosen[1]()
        except CyberAlarmError as error:
            self._say(*_told(error))
            self._screen.ask("Press Enter to go on:")

    def _show_all(self) -> None:
        self._screen.clear()
        self._say("Looking how things are …", "")
        self._screen.show(self._machine.doctor())
        self._screen.ask("Press Enter to go back:")

    def _sure(self, what: str, act: Callable[[], None]) -> None:
        if self._screen.ask(f"{what}? (yes, or Enter: no)").lower() in {"yes", "y"}:
            act()


def _without_password(proxy: str) -> str:
    return re.sub(r"//.*@", "//...@", proxy)


def _told(error: Error) -> list[str]:
    return [*str(error).splitlines()]
