"""The screen's keys, on a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.appliance.terminal import wrapped
from tests.collector.processes import environment

SHELL = "from cyberalarm.appliance.machine import Machine; Machine().shell()"
PROGRAM = """
import sys, time
from cyberalarm.appliance.terminal import Terminal
screen = Terminal()
screen.say("ready")
sys.stdin.fileno(); time.sleep(0.5)
print("key", repr(screen.key(5)))
print("none", repr(screen.key(0.1)))
print("line", repr(screen.ask("name?")))
"""


def test_keys_that_are_pressed_while_the_machine_is_busy_count() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, env=environment()) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.write(ours, b"M")
        said = child.stdout.readline() + child.stdout.readline()
        os.write(ours, b"Jo\x7fane\n")
        said += child.stdout.read()
        assert child.wait(20) == 0
    os.close(ours)
    os.close(theirs)
    assert said == b"key 'm'\nnone ''\nname? line 'Jane'\n"


def test_the_command_line_shows_its_prompt_and_errors_though_the_consoles_own_go_to_the_journal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SHELL]
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment() | {"TERM": "dumb"},
        start_new_session=True,
    ) as child:
        os.write(ours, b"PS1=pro''mpt; no-such-program; exit\n")
        assert child.wait(20) == 0
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the terminal's other side is closed
            while read := os.read(ours, 65536):
                said += read
        assert child.stderr is not None
        assert b"no-such-program" not in child.stderr.read()
    os.close(ours)
    assert b"no-such-program: command not found" in said
    assert b"# " in said or b"$ " in said, "its first prompt"


@given(st.text("ab -", max_size=300), st.integers(20, 100))
def test_no_line_is_longer_than_the_screen_is_wide_and_no_word_is_lost(text: str, width: int) -> None:
    shown = wrapped(text, width)
    longest = max((len(word) for word in text.split()), default=0)
    margin = len(text) - len(text.lstrip(" "))
    assert all(len(line) <= max(width, longest + margin) for line in shown.split("\n"))
    assert shown.split() == text.split()


def test_what_goes_on_stands_as_far_in_as_the_line_began() -> None:
    assert wrapped("    one two three four five six", 20) == "    one two three\n    four five six"
    assert wrapped("\nshort\n", 20) == "\nshort\n"


LONG = """
from cyberalarm.appliance.terminal import Terminal
Terminal().show("\\n".join(f"line {number}" for number in range(30)))
"""


def test_a_long_text_waits_at_the_end_of_each_screenful() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", LONG], stdin=theirs, stdout=theirs, env=environment()) as child:
        said = b""
        while b"more:" not in said:
            said += os.read(ours, 65536)
        assert b"line 9\r\n" in said
        assert b"line 10" not in said
        os.write(ours, b"\n\n")
        assert child.wait(20) == 0
        os.close(theirs)
        with contextlib.suppress(OSError):
            while read := os.read(ours, 65536):
                said += read
    os.close(ours)
    assert [b"line %d\r\n" % number in said for number in range(30)] == [True] * 30
