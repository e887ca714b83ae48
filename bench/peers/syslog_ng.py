"""syslog-ng (Debian's syslog-ng-core): kv-parser, csv-parser, json-parser, and db-parser for Cisco's sentences."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bench.peers.process import Peer, found, version_of

if TYPE_CHECKING:
    from bench.peers.process import Job

PROGRAM = "syslog-ng"

FORTIGATE = "parser { kv-parser(prefix('f.')); };"
FORTIGATE_COLUMNS = (
    "${f.date} ${f.time} ${f.tz}", "${f.srcip}", "${f.dstip}", "${f.srcport}", "${f.dstport}", "${f.proto}", "${f.action}",
    "${f.sentbyte}", "${f.rcvdbyte}",
)  # fmt: skip

# Only one parser sets anything on a line, so joining the alternatives gives the one that is there.
MIXED_COLUMNS = (
    "${f.date} ${f.time} ${f.tz}${j.timestamp}${t}",
    "${f.srcip}${n.SRC}${j.src_ip}${a.s}",
    "${f.dstip}${n.DST}${j.dest_ip}${a.d}",
    "${f.srcport}${n.SPT}${j.src_port}${a.sp}",
    "${f.dstport}${n.DPT}${j.dest_port}${a.dp}",
    "${f.proto}${n.PROTO}${j.proto}${a.p}",
    "${f.action}${n.words}${j.alert.action}${a.a}",
    "${f.sentbyte}${n.LEN}${j.flow.bytes_toserver}${a.i}",
    "${f.rcvdbyte}${j.flow.bytes_toclient}",
)
MIXED = """
if (message(" devid=" type("string") flags("substring"))) { parser { kv-parser(prefix("f.")); };
} elif (message(" : %ASA-" type("string") flags("substring"))) {
  parser { db-parser(file("FOLDER/asa.xml") program-template("asa") message-template("$MESSAGE") drop-unmatched(no)); };
} elif (message(">1 " type("string") flags("substring")) and message(" suricata " type("string") flags("substring"))) {
  parser { syslog-parser(flags(syslog-protocol)); json-parser(prefix("j.")); };
} elif (message(" filterlog[" type("string") flags("substring"))) {
  parser {
    syslog-parser();
    csv-parser(columns("x1","x2","x3","x4","x5","x6","a.a","x8","v","rest") delimiters(",") flags(greedy));
  };
  rewrite { set("$S_ISODATE" value("t")); };
  if ("$v" eq "4") { parser { csv-parser(template("$rest") delimiters(",") flags(greedy)
    columns("y1","y2","y3","y4","y5","y6","a.p","y8","a.i","a.s","a.d","a.sp","a.dp","y14")); };
  } else { parser { csv-parser(template("$rest") delimiters(",") flags(greedy)
    columns("y1","y2","y3","y4","a.p","a.i","a.s","a.d","a.sp","a.dp","y11")); }; };
} elif (message(" suricata[" type("string") flags("substring"))) { parser { syslog-parser(); json-parser(prefix("j.")); };
} elif (message(" kernel: [" type("string") flags("substring"))) {
  parser { syslog-parser(); kv-parser(prefix("n.") extract-stray-words-into("n.words")); };
  rewrite { set("$S_ISODATE" value("t")); };
};
"""
CONFIGURATION = """\
@version: 3.38
options { stats-freq(0); flush-lines(1000); threaded(no); use-dns(no); dns-cache(no); keep-hostname(yes); time-zone("UTC"); };
source s { file("LINES" flags(no-parse) follow-freq(1) log-fetch-limit(1000) log-iw-size(100000)); };
destination d { file("OUT" template("COLUMNS\\n") log-fifo-size(1000000)); };
log { source(s); PARSERS destination(d); };
"""

FROM = "@IPvANY:a.s@/@NUMBER:a.sp@"
TO = "@IPvANY:a.d@/@NUMBER:a.dp@"
BUILT = "@STRING:a.a@ {way} @STRING:a.p@ connection @NUMBER@ for @ESTRING::(@{first}) to @ESTRING::(@{second})"
ENTRY = "@ESTRING::/@@IPvANY:a.d@(@NUMBER:a.dp@)"
ASA = (
    f"106023: @STRING:a.a@ @STRING:a.p@ src @ESTRING:::@{FROM} dst @ESTRING:::@{TO}",
    "106023: @STRING:a.a@ @STRING:a.p@ src @ESTRING:::@@IPvANY:a.s@ dst @ESTRING:::@@IPvANY:a.d@ (",
    "302013: " + BUILT.format(way="inbound", first=FROM, second=TO),
    "302013: " + BUILT.format(way="outbound", first=TO, second=FROM),
    "302015: " + BUILT.format(way="inbound", first=FROM, second=TO),
    "302015: " + BUILT.format(way="outbound", first=TO, second=FROM),
    "106100: access-list @ESTRING:: @@STRING:a.a@ @STRING:a.p@ @ESTRING::/@@IPvANY:a.s@(@NUMBER:a.sp@) -> " + ENTRY,
    f"106001: Inbound @STRING:a.p@ connection @STRING:a.a@ from {FROM} to {TO}",
    f"106015: @STRING:a.a@ @STRING:a.p@ (no connection) from {FROM} to {TO}",
    f"106006: @STRING:a.a@ inbound @STRING:a.p@ from {FROM} to {TO}",
    f"710003: @STRING:a.p@ access @STRING:a.a@ by ACL from {FROM} to @ESTRING:::@{TO}",
)


def peer() -> Peer | None:
    program = found(PROGRAM)
    return (
        Peer("syslog-ng", version_of(program, "--version", 2), lambda job: _command(program, job)) if program else None
    )


def _command(program: str, job: Job) -> list[str]:
    mixed = job.kind == "mixed"
    parsers = MIXED.replace("FOLDER", str(job.folder)) if mixed else FORTIGATE
    columns = MIXED_COLUMNS if mixed else FORTIGATE_COLUMNS
    (job.folder / "asa.xml").write_text(_patterns(), "utf-8")
    text = CONFIGURATION.replace("LINES", str(job.lines)).replace("OUT", str(job.out)).replace("PARSERS", parsers)
    (job.folder / "conf").write_text(text.replace("COLUMNS", "\\t".join(columns)), "utf-8")
    own = ("pidfile", "persist-file", "control")
    files = [f"--{name}={job.folder / name}" for name in own]
    return [program, "--foreground", "--no-caps", f"--cfgfile={job.folder / 'conf'}", *files]


def _patterns() -> str:
    """The pattern database; the name of the sending device and the time are one text before ` : `."""
    levels = {"106001": 2, "106006": 2, "106023": 4, "710003": 3}
    rules = []
    for n, words in enumerate(ASA):
        number = words.partition(":")[0]
        text = escape(f"<@NUMBER@>@ESTRING:t: : @%ASA-{levels.get(number, 6)}-{words}", quote=True)
        rules.append(
            f"<rule provider='b' id='r{n}' class='system'><patterns><pattern>{text}</pattern></patterns></rule>"
        )
    return (
        "<patterndb version='4' pub_date='2026-11-20'><ruleset name='asa' id='asa'><pattern>asa</pattern><rules>"
        + "".join(rules)
        + "</rules></ruleset></patterndb>"
    )
