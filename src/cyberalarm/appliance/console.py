"""What the console asks and shows. It asks until the collector is enrolled, then shows how things are and offers a menu.

Every question says what an empty answer does. A wrong answer is said and asked again; nothing that fails ends the console.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cyberalarm.appliance import answers
from cyberalarm.appliance.answers import FixedAddress
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
    def ask(self, question: str) -> str: ...
    def key(self, seconds: float) -> str: ...


class Appliance(Protocol):
    """What is asked of the machine."""

    @property
    def is_enrolled(self) -> bool: ...
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
        if note := self._machine.setup_note():
            self._say("", note)
        self._say("")
        self._say("Press Enter to begin, or M for the menu (restart, command line).")
        pressed = self._screen.key(_FIRST_SECONDS)
        if pressed == "m":
            self._menu()
        if pressed not in {"\r", "\n"} or self._machine.is_enrolled:
            return  # look again: the address may have come, or the set-up file have done its work
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
        self._say("", "Addresses. Your firewall will send to this machine, so its address must not change.")
        self._say("Either reserve the present one for it in your router (DHCP), or give it a fixed one here.")
        self._until_good(
            "Fixed address with its network's size, such as 192.168.1.50/24 (Enter: from the network):",
            self._take_network,
        )

    def _take_network(self, answer: str) -> None:
        if not answer:
            self._machine.set_network(None)
            return
        wanted = answers.checked_interface(answer)
        gateway = answers.checked_address(self._screen.ask("Gateway (your router), such as 192.168.1.1:"))
        servers = (
            self._screen.ask(f"DNS servers, with blanks between them (Enter: {gateway}):").replace(",", " ").split()
        )
        dns = [answers.checked_address(server) for server in servers[:3]] or [gateway]
        self._machine.set_network(FixedAddress(address=wanted, gateway=gateway, dns=dns))

    def _ask_proxy(self) -> None:
        self._say("", "Proxy. Only if machines of yours reach the Internet through one.")
        self._until_good(
            "Proxy, such as http://proxy.example:3128 (Enter: none):",
            lambda answer: self._machine.set_proxy(answers.checked_proxy(answer)),
        )

    def _ask_own(self) -> None:
        self._say(
            "",
            "Your public addresses, as your provider gave them to you. By them the collector tells what comes in from",
        )
        self._say("the Internet. Networks such as 192.168.0.0/16 are known and need not be named.")
        self._until_good(
            "Public addresses or networks, with blanks between them (Enter: I do not know them yet):", self._take_own
        )

    def _take_own(self, answer: str) -> None:
        self._machine.set_own_networks([answers.checked_network(one) for one in answer.replace(",", " ").split()])

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
        """Show how things are, until somebody asks for the menu."""
        while self._machine.is_enrolled:
            self._screen.clear()
            self._say("CyberAlarm collector", "")
            found = self._machine.addresses()
            if found:
                self._say(
                    "Point your firewall's syslog at:", *(f"    {one}   port 514, UDP or TCP" for one in found[:4])
                )
            else:
                self._say("This machine has no address: nothing can be sent to it. Is its network card connected?")
            try:
                self._say("", *summary(self._machine.links()))
            except CyberAlarmError as error:
                self._say("", *_told(error))
            self._say("", "Press M for the menu.")
            if self._screen.key(_LOOK_SECONDS) == "m":
                self._menu()

    def _menu(self) -> None:
        choices: dict[str, tuple[str, Callable[[], None]]] = {
            "1": ("Check each link, in full", self._show_all),
            "2": ("Address: fixed, or from the network", self._ask_network),
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
        self._say(self._machine.doctor(), "")
        self._screen.ask("Press Enter to go back:")

    def _sure(self, what: str, act: Callable[[], None]) -> None:
        if self._screen.ask(f"{what}? (yes, or Enter: no)").lower() in {"yes", "y"}:
            act()


def summary(links: Sequence[Link]) -> list[str]:
    """How things are in a line or two: what is broken before what needs attention, and what to do."""
    for verdict, words in (("bad", "BROKEN"), ("attention", "Needs attention")):
        concerned = [link for link in links if link.verdict == verdict]
        if concerned:
            first = concerned[0]
            more = f" ({len(concerned) - 1} more: see the menu)" if len(concerned) > 1 else ""
            return [
                f"{words}: {first.name}. {first.found}{more}",
                *([f"    {first.next_step}"] if first.next_step else []),
            ]
    return ["All is well: lines arrive, and the centre has them."]


def _told(error: Error) -> list[str]:
    return [*str(error).splitlines()]
