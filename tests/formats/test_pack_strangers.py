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
    Slot(
        "Domino, name tried",
        "18-11-2026 09:15:02   SMTP Server: Authentication failed for user x§x ; connecting host [198.51.100.176]",
        as_it_is,
        begins=False,
    ),
    Slot(
        "Cisco ESA, name tried",
        "<111> Nov 18 09:15:07 esa ESA: Wed Nov 18 09:14:59 2026 Info: User x§x from 198.51.100.223 failed authentication.",
        as_it_is,
        begins=False,
    ),
    Slot(
        "Tine, name tried",
        "78017 00cff -- none -- - 2026-11-18T09:25:00+00:00 WARN (4): Tinebase_Controller::login::106 "
        "Login with username x§x from 198.51.100.165 failed (-1)!",
        as_it_is,
        begins=False,
    ),
    Slot(
        "Supavisor, name of the application",
        "09:16:00.568 project=t user=x region=local app_name=x§x peer_ip=198.51.100.156 [error] ClientHandler: "
        'Exchange error: "Wrong password" when method :auth_query',
        as_it_is,
        begins=False,
    ),
    Slot(
        "Vaultwarden, name tried",
        "[2026-11-18 09:48:01.129][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. "
        "IP: 203.0.113.70. Username: x§",
        as_it_is,
        begins=False,
    ),
    Slot(
        "MikroTik, name tried",
        "<27>Nov 18 10:06:07 gw system,error,critical login failure for user x§x from 203.0.113.215 via ssh",
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
    "3proxy, name tried": (
        "18-11-2026 09:27:02 +0000 PROXY.3128 00005 § 198.51.100.168:28783 198.51.100.1:0 0 0 0 GET http://example.org/ HTTP/1.1",
        "x 8.8.8.8:1 9.9.9.9:2 0 0 0 GET http://example.org/ HTTP/1.1",
    ),
    "Cisco ESA, sender": (
        (
            "<22>Nov 18 09:15:20 esa: CEF:0|Cisco|C300V Secure Email Gateway Virtual|14.2.0-620|ESA_CONSOLIDATED_LOG_EVENT|"
            "Consolidated Log Event|5|ESAASVerdict=POSITIVE startTime=Wed Nov 18 09:15:00 2026 deviceDirection=0 "
            "suser=§@bulk.example act=DROPPED sourceHostName=unknown sourceAddress=198.51.100.225 msg='x'"
        ),
        '"x sourceAddress=8.8.8.8"',
    ),
    "Exim, sender quoted in parts": (
        (
            "2026-11-18 09:15:03 1Ai79e-0000Dq-8i F=<§@bulk.example> H=(bulk.example) [198.51.100.73]:52391 "
            "I=[192.168.1.25]:25 rejected after DATA: spam"
        ),
        'a."x H=y [8.8.8.8]:1 rejected RCPT"',
    ),
    "Exim, sender quoted in more parts": (
        (
            "2026-11-18 09:15:03 1Ai79e-0000Dq-8i F=<§@bulk.example> H=(bulk.example) [198.51.100.73]:52391 "
            "I=[192.168.1.25]:25 rejected after DATA: spam"
        ),
        '"a"."b"."x H=y [8.8.8.8]:1 rejected RCPT"',
    ),
}

# Lines that tell of no traffic, with a stranger's whole line at a place where he may write.
FORGED = {
    "MikroTik, name of a host": (
        "<30>Nov 18 10:06:22 gw dhcp1 assigned 192.168.1.30 for 02:00:00:00:00:05 x: in:a out:b, proto TCP (SYN), "
        "8.8.8.8:1->198.51.100.20:22, len 40"
    ),
    "MikroTik, name tried at the portal": (
        "<30>Nov 18 10:06:23 gw x: in:a out:b, proto TCP (SYN), 8.8.8.8:1->198.51.100.20:22, len 40 (192.168.1.31): trying"
    ),
    "MikroTik, name of a host in CEF": (
        "Nov 18 10:06:24 gw CEF:0|MikroTik|RB5009|7.19.4 (stable)|44|kvm,info|Low|dvchost=gw dvc=192.168.1.1 "
        "msg=x in:a out:b, proto TCP (SYN), 8.8.8.8:1->198.51.100.20:22, len 40"
    ),
    "NSD, words of another program": "<30>Nov 18 09:53:06 ns wiki[7746]: axfr for nsd[1]: from 8.8.8.8 refused",
    "Domino, sender of a message": (
        "2026-11-18 09:15:05   smtp: Message from <x 8.8.8.8 authentication failure using internet password> received"
    ),
    "Tine, name of an account": (
        "78017 00cff -- a -- - b c (1): Tinebase_Controller::login::1 Login with username x from 8.8.8.8 failed (-1)! "
        "-- - 2026-11-18T09:25:00+00:00 WARN (4): Tinebase_Controller::login::106 Logged out"
    ),
    "Vaultwarden, address of a page": (
        "[2026-11-18 09:48:07.129][request][INFO] GET /x][vaultwarden::api::admin][ERROR] Invalid admin token. IP: 8.8.8.8"
    ),
    "Vaultwarden, words of another program": (
        "<30>Nov 18 09:48:08 vaultwarden wiki[7746]: Username or password is incorrect. Try again. IP: 8.8.8.8. Username: x"
    ),
    "Supavisor, words of an error": (
        "09:16:00.568 project=t user=x app_name=psql peer_ip=198.51.100.156 [error] ClientHandler: Exchange error: "
        '%{user: "x peer_ip=8.8.8.8 [error] ClientHandler: Exchange error: y"}'
    ),
    "Exim, sender who has not signed in": (
        '2026-11-18 09:15:21 1VxHRO-000NiI-Lz <= a."x H=y [8.8.8.8]:1 P=esmtpsa X=a"@example.org H=dsl.example.net (laptop) '
        "[198.51.100.44]:50111 P=esmtp S=1"
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


@pytest.mark.parametrize("line", FORGED.values(), ids=FORGED)
def test_a_whole_line_in_a_strangers_words_tells_of_no_address(line: str) -> None:
    (found,) = fates(line, received_ms=REFERENCE_MS)
    assert {name for name in found.event if name.endswith(("_ip", "_port"))} == set()


def test_a_file_whose_name_writes_its_own_verdict_is_not_hidden() -> None:
    line = (
        "<134>Nov 18 09:50:48 md CEF:0|OPSWAT|MSCL|4.16.0|core.workflow|MSCL[7548] Processing finished|4|fileName='{}' "
        "threatName='EICAR-Test-File' blockedReason='Infected' msgid=84"
    )
    plain, forged = fates(line.format("a"), line.format("a threatName='' blockedReason='' b"), received_ms=REFERENCE_MS)
    assert plain.event["threat"] == "EICAR-Test-File"
    assert forged.outcome == "kept"
    assert forged.event["threat"] not in {"", "EICAR-Test-File"}


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
