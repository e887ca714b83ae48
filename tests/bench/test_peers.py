"""Benchmarks' peers: what does not run says so in its own words, and the unpacked programs run from wherever they lie."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import receivers
from bench.peers.process import PeerFailed, version_of
from cyberalarm.collector.config import Listen

ROOT = Path(__file__).parents[2]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_receiver_that_ends_at_once_is_told_with_its_own_words(tmp_path: Path) -> None:
    broken = program(tmp_path / "broken", "echo 'cannot open module imudp' >&2; exit 3")
    with pytest.raises(PeerFailed) as told:
        receivers.start([str(broken), "-n"], tmp_path, lambda: False)
    assert str(told.value) == f"{broken} -n\nended with 3:\n  cannot open module imudp"


def test_a_receiver_that_never_listens_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "PATIENCE", 0.5)
    deaf = program(tmp_path / "deaf", f"echo $$ > {tmp_path / 'pid'}; echo waiting; exec sleep 60")
    with pytest.raises(PeerFailed, match=r"did not listen within .* s:\n  waiting"):
        receivers.start([str(deaf)], tmp_path, lambda: False)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_receiver_that_is_ready_is_given(tmp_path: Path) -> None:
    process = receivers.start([sys.executable, "-c", "input()"], tmp_path, lambda: True)
    receivers.stop(process)
    assert process.returncode is not None


def test_a_peer_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    broken = program(tmp_path / "broken", "echo 'libestr.so.0: not found' >&2; exit 127")
    with pytest.raises(PeerFailed, match=r"-v ended with 127: libestr\.so\.0: not found"):
        version_of(str(broken), "-v", 1)


def test_lines_are_counted_once_though_the_file_is_emptied_between(tmp_path: Path) -> None:
    out = tmp_path / "out"
    peer = receivers.Peer("peer", out, 0, None)  # type: ignore[arg-type]
    assert peer.taken() == 0
    out.write_bytes(b"a\nb\n")
    assert peer.taken() == 2
    peer.tidy()
    assert out.read_bytes() == b""
    with out.open("ab") as lines:
        lines.write(b"c\n")
    assert (peer.taken(), peer.taken()) == (3, 3)


def test_unpacked_peers_are_mended_and_run_from_wherever_they_lie(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other place"
    for name in ("rsyslogd", "syslog-ng"):
        program(first / "usr" / "sbin" / name, 'echo "$LD_LIBRARY_PATH" "$@"')
        program(first / "bin" / name, "exec /gone/usr/sbin/it")  # as an older edition left them
    for module in ("usr/lib/some-linux-gnu/rsyslog/mmnormalize.so", "usr/lib/syslog-ng/3.38/libkvformat.so"):
        (first / module).parent.mkdir(parents=True)
        (first / module).touch()
    unpack = subprocess.run([ROOT / "bench" / "unpack-peers", first], capture_output=True, text=True, timeout=60)
    assert (unpack.returncode, unpack.stderr) == (0, "")
    shutil.move(first, other)
    libraries = ":".join(
        str(other / at) for at in ("usr/lib/some-linux-gnu", "lib/some-linux-gnu", "usr/lib/syslog-ng")
    )
    for name, modules in (
        ("rsyslogd", f"-M {other}/usr/lib/some-linux-gnu/rsyslog"),
        ("syslog-ng", f"--module-path={other}/usr/lib/syslog-ng/3.38"),
    ):
        said = subprocess.run([other / "bin" / name, "-n", "a b"], capture_output=True, text=True, timeout=60).stdout
        assert said == f"{libraries} {modules} -n a b\n"


def test_an_unpacked_peer_that_cannot_run_is_said(tmp_path: Path) -> None:
    for name in ("rsyslogd", "syslog-ng"):
        program(tmp_path / "usr" / "sbin" / name, "echo 'no library' >&2; exit 127")
    for module in ("usr/lib/x/rsyslog/mmnormalize.so", "usr/lib/syslog-ng/3.38/libkvformat.so"):
        (tmp_path / module).parent.mkdir(parents=True)
        (tmp_path / module).touch()
    unpack = subprocess.run([ROOT / "bench" / "unpack-peers", tmp_path], capture_output=True, text=True, timeout=60)
    assert unpack.returncode == 1
    assert unpack.stderr == f"{tmp_path}/bin/rsyslogd does not run: no library\n"


def test_peers_are_told_to_ask_for_the_buffer_that_the_collector_asks_for() -> None:
    assert Listen().receive_buffer == receivers.BUFFER
