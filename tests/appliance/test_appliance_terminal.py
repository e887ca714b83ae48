"""The screen's keys, on a real terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.collector.processes import environment

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
