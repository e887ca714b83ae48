"""rsyslog (Debian's package): mmnormalize with a liblognorm rulebase; and, as its floor, rsyslog that only copies lines."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.peers.process import Peer, found, version_of

if TYPE_CHECKING:
    from bench.peers.process import Job

PROGRAM = "rsyslogd"
CONFIGURATION = """\
global(workDirectory="FOLDER")
main_queue(queue.size="100000" queue.dequeueBatchSize="1024" queue.workerThreads="1")
module(load="imfile" mode="inotify")
MODULES
template(name="t" type="string" string="COLUMNS\\n")
ruleset(name="all") {
  ACTION
  action(type="omfile" file="OUT" template="t" ioBufferSize="256k")
}
input(type="imfile" file="LINES" tag="x" ruleset="all" freshStartTail="off")
"""
# Names differ by syntax; only one is there on a line. Case does not count: PROTO and proto are one.
COLUMNS = (
    ("d", "t", "z", "timestamp"), ("s", "SRC", "src_ip"), ("to", "DST", "dest_ip"), ("sp", "SPT", "src_port"),
    ("dp", "DPT", "dest_port"), ("proto",), ("a", "alert!action"), ("i", "LEN", "flow!bytes_toserver"),
    ("o", "flow!bytes_toclient"),
)  # fmt: skip


def peers() -> list[Peer]:
    program = found(PROGRAM)
    if program is None:
        return []
    version = version_of(program, "-v", 1)
    return [
        Peer("rsyslog, mmnormalize", version, partial(_command, program, normalize=True)),
        Peer("rsyslog, copying only", version, partial(_command, program, normalize=False), fields=False),
    ]


def _command(program: str, job: Job, *, normalize: bool) -> list[str]:
    columns = "\\t".join(
        (" " if n == 0 else "").join(f"%$!{name}%" for name in names) for n, names in enumerate(COLUMNS)
    )
    rules = [*fortigate(), *(others() if job.kind == "mixed" else ())]
    (job.folder / "rules").write_text("version=2\n" + "".join(f"rule=:{rule}\n" for rule in rules), "utf-8")
    action = f'action(type="mmnormalize" rulebase="{job.folder / "rules"}" useRawMsg="on")'
    text = (
        CONFIGURATION.replace("FOLDER", str(job.folder)).replace("OUT", str(job.out)).replace("LINES", str(job.lines))
    )
    text = text.replace("MODULES", 'module(load="mmnormalize")' if normalize else "").replace(
        "ACTION", action if normalize else ""
    )
    text = text.replace("COLUMNS", columns if normalize else "%rawmsg%")
    (job.folder / "conf").write_text(text, "utf-8")
    return [program, "-n", "-f", str(job.folder / "conf"), "-i", str(job.folder / "pid")]


def _to(text: str) -> str:
    """Go on to a text and over it."""
    return '%{"name":"-","type":"string-to","extradata":"' + text + '"}%' + text


def _until(name: str, character: str) -> str:
    return '%{"name":"' + name + '","type":"char-to","extradata":"' + character + '"}%' + character


def fortigate() -> list[str]:
    """liblognorm's name-value-list stops at a quoted space, so the way goes from key to key, in the order of each type."""
    head = "<%-:number%>date=%d:word% time=%t:word% " + _to("tz=") + '"' + _until("z", '\\"') + _to(" type=")
    ports = _to(" srcip=") + "%s:word% srcport=%sp:number%" + _to(" dstip=") + "%to:word% dstport=%dp:number%"
    portless = _to(" srcip=") + "%s:word% srcintf=" + _to(" dstip=") + "%to:word% dstintf="
    protocol = _to(" proto=") + "%proto:number%"
    action = ' action="' + _until("a", '\\"')
    skipped_action = _to(" action=") + '"' + _until("a", '\\"')
    counts = _to(" sentbyte=") + "%i:number% rcvdbyte=%o:number% %-:rest%"
    utm = head + '"utm" subtype='
    return [
        head + '"traffic"' + ports + protocol + action + counts,
        head + '"traffic"' + portless + protocol + action + counts,
        utm + '"webfilter"' + ports + protocol + skipped_action + counts,
        utm + '"ips"' + ports + skipped_action + " proto=%proto:number% %-:rest%",
        utm + '"virus"' + skipped_action + ports + protocol + " %-:rest%",
    ]


def others() -> list[str]:
    header = "<%-:number%>%t:date-rfc3164% "
    netfilter = header + "%-:word% kernel: [" + _until("-", "]") + " "
    filterlog = header + "filterlog[%-:number%]: " + _commas(6) + "%a:char-to:,%," + "%-:char-to:,%,"
    ends = "%s:char-to:,%,%to:char-to:,%,"
    four = filterlog + "4," + _commas(6) + "%proto:number%,%-:char-to:,%,%i:number%," + ends
    six = filterlog + "6," + _commas(4) + "%proto:number%,%i:number%," + ends
    ports = "%sp:number%,%dp:number%,%-:rest%"
    return [
        netfilter + '%{"name":"a","type":"string-to","extradata":"IN="}%%.:v2-iptables%',
        four + ports, four + "%-:rest%", six + ports, six + "%-:rest%",
        header + "%-:word% suricata[%-:number%]: %.:json%",
        "<%-:number%>1 %-:word% %-:word% suricata %-:number% - - %.:json%",
        *_asa(),
    ]  # fmt: skip


def _commas(count: int) -> str:
    return "%-:char-sep:,%," * count


def _asa() -> list[str]:
    head = '<%-:number%>%{"name":"t","type":"string-to","extradata":" : "}% : %%ASA-%-:number%-'
    source, target = _until("s", "/") + "%sp:number%", _until("to", "/") + "%dp:number%"
    after_name = _until("-", ":")
    rules = [
        f"106023: %a:word% %proto:word% src {after_name}{source} dst {after_name}{target} %-:rest%",
        f"106023: %a:word% %proto:word% src {after_name}%s:word% dst {after_name}%to:word% (%-:rest%",
        "106100: access-list %-:word% %a:word% %proto:word% " + _until("-", "/") + _until("s", "(") + "%sp:number%) -> "
        + _until("-", "/") + _until("to", "(") + "%dp:number%)%-:rest%",
        f"106001: Inbound %proto:word% connection %a:word% from {source} to {target}%-:rest%",
        f"106015: %a:word% %proto:word% (no connection) from {source} to {target}%-:rest%",
        f"106006: %a:word% inbound %proto:word% from {source} to {target}%-:rest%",
        f"710003: %proto:word% access %a:word% by ACL from {source} to {after_name}{target}%-:rest%",
    ]  # fmt: skip
    for way, first, second in (("inbound", source, target), ("outbound", target, source)):
        built = f"%a:word% {way} %proto:word% connection %-:number% for "
        built += _until("-", "(") + first + ") to " + _until("-", "(") + second + ")%-:rest%"
        rules += ["302013: " + built, "302015: " + built]
    return [head + rule for rule in rules]
