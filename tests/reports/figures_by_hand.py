"""A member's week written out by hand, for tests of words and looks. Its parts agree with each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cyberalarm.central.reports.figures import (
    CollectorFigure,
    Country,
    Coverage,
    Day,
    Detection,
    FindingFigure,
    Kind,
    LetIn,
    MemberReport,
    NetworkItem,
    Origins,
    PortKey,
    PortTried,
    Source,
    Target,
    Threat,
    Totals,
    Tries,
    View,
)
from cyberalarm.central.reports.period import Period
from cyberalarm.core.outcome import Ledger

PERIOD = Period(date(2026, 11, 9), date(2026, 11, 15))
MADE = datetime(2026, 11, 16, 6, 30, tzinfo=UTC)
_TCP, _UDP = 6, 17


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def ledger(**counts: int) -> Ledger:
    order = (
        "kept",
        "routine",
        "internal",
        "outbound",
        "trusted",
        "noise",
        "unrecognised",
        "malformed",
        "overflow",
    )
    made = Ledger()
    made.add([counts.get(name, 0) for name in order])
    return made


def a_coverage() -> Coverage:
    main = ledger(
        kept=20_949,
        routine=1_204_118,
        internal=88_240,
        outbound=640_312,
        noise=9_120,
        unrecognised=212,
        malformed=3,
    )
    sixth = ledger(kept=3_114, routine=204_960, outbound=118_400, noise=2_010)
    whole = Ledger()
    whole.merge(main)
    whole.merge(sixth)
    return Coverage(
        View.COMPLETE,
        (
            CollectorFigure("Main site", "Server room", "Enrolled", at(16, 6, 29), 10_080, 3, main, PERIOD.days),
            CollectorFigure("Sixth form", "Annexe", "Enrolled", at(16, 6, 28), 10_071, 1, sixth, PERIOD.days),
        ),
        at(16, 6, 29),
        whole,
    )


def a_member() -> MemberReport:
    """A school trust's ordinary week with one open door, a guessing run and a harmful file."""
    days = tuple(
        Day(PERIOD.days[n], Tries(blocked, allowed, detected), 1)
        for n, (blocked, allowed, detected) in enumerate(
            [
                (2_804, 0, 41),
                (2_911, 12, 38),
                (3_120, 210, 60),
                (7_402, 402, 131),
                (3_204, 88, 52),
                (1_830, 0, 22),
                (1_715, 0, 21),
            ]
        )
    )
    whole = sum((d.tries for d in days), Tries())
    return MemberReport(
        reference="r-7k2m9xqd4t",
        service="CyberAlarm",
        contact="cyberalarm@example.org",
        member="Hawthorn Vale Schools Trust",
        kind="School, college or trust",
        force="Kent Police",
        period=PERIOD,
        made=MADE,
        coverage=a_coverage(),
        totals=Totals(whole, 1_204, 3, 212, 1, 712),
        previous=Totals(Tries(18_020, 4, 240), 1_088, 3, 198, 1, 4),
        previous_seen=True,
        days=days,
        origins=Origins(
            1_402,
            20_611,
            940,
            0,
            38,
            whole.total - 22_991,
            tuple(
                Country(c, n, s)
                for c, n, s in (
                    ("US", 6_120, 240),
                    ("NL", 4_402, 88),
                    ("CN", 3_318, 190),
                    ("DE", 2_204, 61),
                    ("RU", 1_812, 74),
                    ("GB", 1_402, 55),
                    ("BG", 980, 9),
                    ("IN", 612, 101),
                    ("BR", 508, 92),
                    ("VN", 402, 77),
                    ("FR", 253, 31),
                )
            ),
        ),
        sources=_sources(),
        ports=_ports(),
        targets=(
            Target("192.0.2.10", Tries(14_210, 712, 190), 988, 204),
            Target("192.0.2.11", Tries(6_004, 0, 110), 610, 151),
            Target("192.0.2.12", Tries(2_772, 0, 27), 402, 88),
        ),
        let_in=(
            LetIn("192.0.2.10", PortKey(3389, _TCP), 690, 4, 690, at(10, 22, 14), at(13, 4, 51)),
            LetIn("192.0.2.10", PortKey(445, _TCP), 22, 2, 3, at(12, 1, 2), at(12, 1, 40)),
        ),
        kinds=(
            Kind("firewall", "none", Tries(22_986, 712, 0), 1_190),
            Kind("ids", "guessing", Tries(0, 0, 180), 12),
            Kind("ids", "exploit", Tries(0, 0, 96), 9),
            Kind("antispam", "spam", Tries(0, 0, 51), 40),
            Kind("antivirus", "malware", Tries(0, 0, 38), 0),
        ),
        detections=(
            Detection(
                "1:2034647",
                "Apache Log4j remote code execution try, jndi ldap",
                "exploit",
                4,
                ("CVE-2021-44228", "CVE-2021-45046"),
                Tries(detected=61),
                6,
                at(11, 3),
                at(13, 9),
                1,
            ),
            Detection(
                "1:2024218",
                "SMB1 transaction overflow",
                "exploit",
                3,
                ("CVE-2017-0144",),
                Tries(detected=35),
                3,
                at(12, 1),
                at(12, 2),
                1,
            ),
            Detection(
                "1:2001219",
                "SSH login tried many times",
                "guessing",
                2,
                (),
                Tries(detected=180),
                12,
                at(9, 1),
                at(15, 20),
                1,
            ),
        ),
        threats=(
            Threat("antivirus", "Win.Test.EICAR_HDB-1", "", 40, 0, at(12, 9), at(12, 15, 30)),
            Threat("antivirus", "Win.Trojan.Example-1", "", 38, 0, at(12, 9), at(12, 15, 30)),
            Threat("antispam", "SPAM 14.2", "offers.example", 33, 21, at(9, 3), at(15, 11)),
            Threat("antispam", "SPAM 9.8", "invoice.example", 18, 19, at(10, 3), at(14, 11)),
        ),
        findings=(
            FindingFigure(
                "remote-desktop-guessing",
                "Passwords were guessed at your remote desktop",
                4,
                "One address tried remote desktop 690 times and was let in to the log-on screen.",
                (
                    (
                        "Close port 3389 to the Internet, or allow it through a VPN only, and change the "
                        "passwords of everybody who uses it."
                    ),
                ),
                at(10, 22, 14),
                at(13, 4, 51),
                690,
                "guessing",
                690,
            ),
            FindingFigure(
                "malware",
                "Harmful software was found",
                3,
                "Your antivirus found Win.Trojan.Example-1 38 times.",
                ("Check that the device it was found on has been cleaned.",),
                at(12, 9),
                at(12, 15, 30),
                38,
                "malware",
            ),
            FindingFigure(
                "port-scan",
                "Somebody looked for open doors",
                2,
                "203.0.113.44 tried 148 ports in four minutes.",
                (("Nothing to do if your firewall blocks what is not needed; block it if it comes back."),),
                at(12, 2),
                at(12, 2, 4),
                148,
            ),
        ),
        network=(
            NetworkItem("rising", 41, 204_331, key=PortKey(3389, _TCP), usual=31.4, sources=912),
            NetworkItem("port", 58, 1_204_331, key=PortKey(23, _TCP)),
            NetworkItem("cve", 18, 4_120, name="CVE-2021-44228"),
        ),
        minimum_members=3,
        places_known=True,
    )


def _sources() -> tuple[Source, ...]:
    rows = (
        (
            "203.0.113.44",
            "NL",
            Tries(4_102, 690, 60),
            148,
            ((3389, _TCP), (22, _TCP), (445, _TCP)),
            3,
            "established",
        ),
        ("198.51.100.7", "US", Tries(1_840), 3, ((22, _TCP), (2222, _TCP), (23, _TCP)), 2, "one_way"),
        (
            "2001:db8:51:f00d:1c2e:9a4b:77e1:40ff",
            "DE",
            Tries(1_120, 0, 12),
            1,
            ((443, _TCP),),
            1,
            "established",
        ),
        ("203.0.113.201", "CN", Tries(988), 2, ((1433, _TCP), (3306, _TCP)), 3, "one_way"),
        ("198.51.100.90", "GB", Tries(720), 1, ((123, _UDP),), 1, "one_way"),
        ("203.0.113.9", "", Tries(440, 22), 4, ((445, _TCP), (139, _TCP)), 1, "established"),
    )
    many = tuple(
        (f"198.18.4.{n}", "US", Tries(400 - 9 * n), 2, ((23, _TCP), (8080, _TCP)), 2, "one_way") for n in range(12)
    )
    return tuple(
        Source(
            address,
            country,
            tries,
            ports,
            tuple(PortKey(*k) for k in top),
            targets,
            at(9, 1 + n),
            at(15, 1 + n, 7),
            evidence,
        )
        for n, (address, country, tries, ports, top, targets, evidence) in enumerate(rows + many)
    )


def _ports() -> tuple[PortTried, ...]:
    rows = (
        (3389, _TCP, Tries(5_204, 690), 310),
        (23, _TCP, Tries(4_420), 402),
        (22, _TCP, Tries(4_102, 0, 180), 260),
        (445, _TCP, Tries(2_911, 22, 35), 188),
        (443, _TCP, Tries(1_804, 0, 61), 240),
        (8080, _TCP, Tries(1_220), 119),
        (1433, _TCP, Tries(640), 41),
        (123, _UDP, Tries(512), 30),
        (5060, _UDP, Tries(404), 12),
        (37777, _TCP, Tries(212), 19),
        (None, 1, Tries(180), 77),
        (6379, _TCP, Tries(90), 14),
        (9999, _TCP, Tries(12), 3),
    )
    return tuple(PortTried(PortKey(port, protocol), tries, sources) for port, protocol, tries, sources in rows)


def an_unseen_member(view: View) -> MemberReport:
    """A member of whose network nothing is known."""
    collectors = (
        ()
        if view is View.NONE
        else (
            CollectorFigure(
                "Office",
                "Cupboard",
                "Enrolled",
                at(2, 9) if view is View.SILENT else None,
                0,
                0,
                Ledger(),
                (),
                PERIOD.days,
            ),
        )
    )
    return replace(
        a_member(),
        coverage=Coverage(view, collectors, at(2, 9) if view is View.SILENT else None, Ledger()),
        totals=Totals(),
        previous=Totals(),
        previous_seen=False,
        days=tuple(Day(d, Tries()) for d in PERIOD.days),
        origins=Origins(),
        sources=(),
        ports=(),
        targets=(),
        let_in=(),
        kinds=(),
        detections=(),
        threats=(),
        findings=(),
    )


HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '#import "@preview/x:0.1.0": *',
    '$math$ #panic("x") *bold* _it_ `raw` @ref <label> = head',
    "=cmd|'/c calc'!A1",
    "{{ 7*7 }} {% raw %} {scope}",
    "\u202eevil\u202c \u200fmark\u2066",
    "A" * 200,
    "É" * 100,
    "العربية 中文 עברית",
    "back\\slash \\u{202e} \\n",
)


def a_hostile_member(text: str) -> MemberReport:
    """The ordinary week, with `text` wherever somebody outside chooses the words."""
    report = a_member()
    return replace(
        report,
        member=text,
        detections=tuple(
            replace(d, signature=text, signature_id=text[:64], cves=(text[:20],)) for d in report.detections
        ),
        threats=tuple(replace(t, threat=text[:128], sender_domain=text) for t in report.threats),
        findings=tuple(replace(f, title=text, what=text) for f in report.findings),
        network=tuple(replace(t, name=text, key=None) for t in report.network),
        coverage=replace(
            report.coverage,
            collectors=tuple(replace(c, site=text, name=text) for c in report.coverage.collectors),
        ),
    )


def a_huge_member() -> MemberReport:
    """Numbers as large as a store can add up."""
    big = 18_446_744_073_709_551_615 // 4
    report = a_member()
    tries = Tries(big, big // 7, big // 1000, 3)
    return replace(
        report,
        totals=Totals(tries, big, big, 131_071, 1, big // 9),
        days=tuple(replace(d, tries=tries) for d in report.days),
        sources=tuple(replace(s, tries=tries, ports=65_535) for s in report.sources),
        ports=tuple(replace(p, tries=tries, sources=big) for p in report.ports),
        targets=tuple(replace(t, tries=tries, sources=big, ports=65_535) for t in report.targets),
        kinds=tuple(replace(k, tries=tries, sources=big) for k in report.kinds),
        let_in=tuple(replace(r, count=big, sources=big) for r in report.let_in),
    )


WEEK = timedelta(days=7)
