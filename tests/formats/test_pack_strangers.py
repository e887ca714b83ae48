"""What a stranger writes into a line changes nothing of its event, and makes it no other product's.

`SLOTS` are places in lines where strangers write, each with the escapes that the product really uses. The strangers' words are
whole lines of all other packs, pieces of syntaxes, and anything at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.formats.library import bundled
from cyberalarm.formats.lint import REFERENCE_MS
from tests.kernel.decoding import EXAMPLES, Fate, fates

if TYPE_CHECKING:
    from collections.abc import Callable


def as_it_is(text: str) -> str:
    return text


def backslashed(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def in_cef(text: str) -> str:
    return text.replace("\\", "\\\\").replace("=", "\\=")


def without_blanks(text: str) -> str:
    return text.replace("%", "%25").replace(" ", "%20").replace('"', "%22")


def plus_for_blanks(text: str) -> str:
    return text.replace(" ", "+") or "-"


def quoted_mailbox(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "(").replace(">", ")")


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    line: str
    escaped: Callable[[str], str]
    # Told before any other product's text is looked for in the line: then not even a whole line of another product is taken.
    begins: bool = True

    def filled(self, text: str) -> str:
        return self.line.replace("§", self.escaped(text))


SLOTS = [
    Slot("openssh, name tried", "Nov 18 09:20:01 gw sshd[11]: Invalid user §x from 203.0.113.5 port 42022", as_it_is),
    Slot(
        "openssh, password refused",
        "Nov 18 09:20:01 gw sshd[11]: Failed password for invalid user §x from 203.0.113.5 port 42022 ssh2",
        as_it_is,
    ),
    Slot(
        "web access, user agent",
        '198.51.100.9 - - [18/Nov/2026:10:00:09 +0000] "GET / HTTP/1.1" 403 814 "-" "§"',
        backslashed,
        begins=False,
    ),
    Slot(
        "web access, path",
        '198.51.100.9 - - [18/Nov/2026:10:00:09 +0000] "GET /§ HTTP/1.1" 403 814 "-" "x"',
        without_blanks,
    ),
    Slot(
        "IIS, user agent",
        "2026-11-18 10:20:00 203.0.113.50 GET /a - 443 - 198.51.100.20 § - 401 2 5 15",
        plus_for_blanks,
    ),
    Slot(
        "Exim, sender of a refused mail",
        '2026-11-18 09:15:03 1Ai79e-0000Dq-8i F=<"§x"@bulk.example> H=(bulk.example) [198.51.100.73]:52391 '
        "I=[192.168.1.25]:25 rejected after DATA: spam",
        quoted_mailbox,
        begins=False,
    ),
    Slot(
        "Exim, sender who has signed in",
        '2026-11-18 09:15:15 1VxHRO-000NiI-Lz <= "§x"@example.org H=dsl.example.net (laptop) [192.0.2.44]:50111 '
        "P=esmtpsa X=TLS1.3:x:256 A=plain:office S=1",
        quoted_mailbox,
        begins=False,
    ),
    Slot(
        "FortiGate, address of a page",
        'date=2026-11-18 time=11:26:00 devname="fw" devid="FGT60FTK00000001" logid="0316013056" type="utm" subtype="webfilter" '
        'eventtype="ftgd_blk" level="warning" vd="root" srcip=192.168.1.51 srcport=50501 dstip=198.51.100.30 dstport=80 proto=6 '
        'hostname="example.net" action="blocked" url="§"',
        backslashed,
    ),
    Slot(
        "CEF, address of a page",
        "<6>CEF:0|A10|vThunder|4.1.4|WAF|sqlia-check|9|rt=Nov 18 2026 09:00:45 src=198.51.100.10 spt=34860 dst=203.0.113.10 "
        "dpt=80 request=§ act=deny",
        in_cef,
    ),
    Slot(
        "CyberArk, name tried",
        "<111>Nov 18 10:45:48 vault CEF:0|Cyber-Ark|Vault|12.6|4|User Authentication Failure|7|suser=x§ shost=198.51.100.24",
        in_cef,
    ),
    Slot(
        "Cowrie, password tried",
        '{"eventid":"cowrie.login.failed","username":"§","password":"§","session":"a1","protocol":"ssh",'
        '"src_ip":"203.0.113.9","timestamp":"2026-11-18T09:54:01.1Z"}',
        in_json,
    ),
    Slot(
        "MySQL, name tried",
        "2026-11-18T09:31:01.634875Z 113 [Note] [MY-010926] [Server] Access denied for user '§x'@'203.0.113.140' "
        "(using password: YES)",
        as_it_is,
        begins=False,
    ),
    Slot(
        "SOGo, name tried",
        "Nov 18 09:15:01 sogod [26818]: SOGoRootPage Login from '198.51.100.166' for user '§' might not have worked",
        as_it_is,
        begins=False,
    ),
]

# Names without quotation marks, in front of the device's own address.
UNQUOTED = {
    "FortiMail, name tried": (
        (
            "date=2026-11-18 time=09:00:07 device_id=FE100C0000000001 log_id=0001001623 type=kevent subtype=admin pri=information "
            'user=§ ui=GUI(198.51.100.17) action=login status=failed reason=none msg="User x login failed from GUI(198.51.100.17)"'
        ),
        'x msg="User x (8.8.8.8) login failed from GUI(8.8.8.8)"',
    ),
    "Mimecast, address of a page": (
        (
            "datetime=2026-11-18T09:15:04+0000|acc=C0A0|reason=malicious|url=§|route=inbound|sourceIp=198.51.100.237|"
            "sender=a@bulk.example|recipient=office@example.org|urlCategory=Phishing & Fraud|senderDomain=bulk.example"
        ),
        "http://example.org/|sourceIp=8.8.8.8",
    ),
    "Grafana, path": (
        (
            'logger=context userId=1 orgId=1 uname=jo t=2026-11-18T09:47:05.734245376Z level=info msg="Request Completed" '
            "method=GET path=§ status=403 remote_addr=203.0.113.64"
        ),
        "/ remote_addr=8.8.8.8",
    ),
}

PIECES = [
    " src=8.8.8.8 ",
    "\tsrc=8.8.8.8",
    " from 8.8.8.8 port 22 ssh2",
    " 8.8.8.8 port 1 [preauth]",
    "[8.8.8.8]",
    " H=y [8.8.8.8]:1 P=esmtpsa ",
    " client: 8.8.8.8, server: x",
    "'@'8.8.8.8' (using password: NO)",
    '", "src_ip": "8.8.8.8"',
    '"src_ip":"8.8.8.8"',
    '<Data Name="IpAddress">8.8.8.8</Data>',
    "CEF:0|A|B|1|1|n|9|src=8.8.8.8 act=blocked ",
    "LEEF:1.0|A|B|1|1|src=8.8.8.8",
    " IN=eth0 OUT= SRC=8.8.8.8 DST=8.8.8.8 PROTO=TCP ",
    "|src=8.8.8.8|",
    ",8.8.8.8,",
    '"',
    "'",
    "\\",
    "] [",
    "); (",
    "{",
    "<",
    "\N{PILE OF POO}",
]
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40)
STRANGERS = st.lists(st.one_of(st.sampled_from(PIECES), WORDS), max_size=6).map("".join)


def _same(slot: Slot, found: Fate, plain: Fate) -> bool:
    return (found.outcome, found.product, found.event) == (plain.outcome, plain.product, plain.event)


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.name)
def test_a_slot_is_part_of_a_line_that_is_kept(slot: Slot) -> None:
    (plain,) = fates(slot.filled("a"), received_ms=REFERENCE_MS)
    assert plain.outcome == "kept"
    assert plain.event["src_ip"]


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.name)
@settings(max_examples=60, deadline=None)
@given(text=STRANGERS)
def test_what_a_stranger_writes_changes_nothing(slot: Slot, text: str) -> None:
    plain, found = fates(slot.filled("a"), slot.filled(text), received_ms=REFERENCE_MS)
    assert _same(slot, found, plain), slot.filled(text)


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot.begins], ids=lambda slot: slot.name)
def test_the_lines_of_all_other_products_in_a_strangers_words_change_nothing(slot: Slot) -> None:
    texts = [text.replace("\t", " ")[:600] for text in EXAMPLES]
    plain, *found = fates(slot.filled("a"), *map(slot.filled, texts), received_ms=REFERENCE_MS)
    changed = [text for text, fate in zip(texts, found, strict=True) if not _same(slot, fate, plain)]
    assert changed == []


@pytest.mark.parametrize(("line", "forged"), UNQUOTED.values(), ids=UNQUOTED)
def test_of_two_addresses_behind_a_name_without_quotation_marks_neither_is_believed(line: str, forged: str) -> None:
    plain, found = fates(line.replace("§", "x"), line.replace("§", forged), received_ms=REFERENCE_MS)
    assert plain.event["src_ip"] != "8.8.8.8"
    assert found.product == plain.product
    assert "src_ip" not in found.event


def _demanding() -> list[tuple[str, str]]:
    """Packs and the bodies of their lines that demand a program."""
    found = []
    for pack in bundled().packs:
        demanding = {line.name for line in pack.line if line.programs_only}
        for example in pack.example if demanding else []:
            steps = json.loads(bundled().kernel.explain(example.line.encode(), received_ms=REFERENCE_MS))["steps"]
            start = next(step["message_may_begin_at"][-1] for step in steps if step["step"] == "header")
            if {step["line"] for step in steps if step["step"] == "meaning"} & demanding:
                found.append((pack.name, example.line.encode()[start:].decode(errors="ignore")))
    return found


def test_a_line_that_demands_its_program_is_nobodys_without_it() -> None:
    packs, bodies = zip(*_demanding(), strict=True)
    found = fates(*(f"Nov 18 09:20:01 gw the name tried was {body}" for body in bodies), received_ms=REFERENCE_MS)
    assert len(set(packs)) > 20
    assert [(pack, body) for pack, body, fate in zip(packs, bodies, found, strict=True) if fate.product == pack] == []


def test_a_products_name_in_a_strangers_words_hides_no_line() -> None:
    """What is told by a word anywhere and says nothing of traffic is asked last."""
    line = '198.51.100.9 - - [18/Nov/2026:10:00:09 +0000] "GET / HTTP/1.1" 403 814 "-" "{}"'
    words = ["dovecot", "postgres", "mysqld", "sshd", "named[", "nsd[", "proftpd", "rspamd", "Info: x", "[Note] x"]
    plain, *found = fates(*(line.format(word) for word in ["x", *words]), received_ms=REFERENCE_MS)
    assert [(fate.outcome, fate.product) for fate in found] == [(plain.outcome, plain.product)] * len(words)
