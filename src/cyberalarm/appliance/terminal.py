"""The console's screen and keys: a Linux virtual terminal, or a serial line. What strangers wrote cannot steer it."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

_CLEAR = "\x1b[2J\x1b[H"


# A virtual terminal's font has these not.
_PLAIN = str.maketrans({"…": "...", "→": "->", "–": "-", "“": '"', "”": '"', "‘": "'", "’": "'"})


def printable(text: str) -> str:
    """Text that a bare screen can show, and that cannot steer it."""
    text = text.translate(_PLAIN)
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)


class Terminal:
    def clear(self) -> None:
        sys.stdout.write(_CLEAR)
        sys.stdout.flush()

    def say(self, text: str = "") -> None:
        sys.stdout.write(printable(text) + "\n")
        sys.stdout.flush()

    def ask(self, question: str) -> str:
        """One line, without blanks around it. Raises EOFError when the terminal is gone."""
        sys.stdout.write(f"{printable(question)} ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip()

    def key(self, seconds: float) -> str:
        """The key that is pressed within some seconds; empty: none."""
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        try:
            tty.setcbreak(number, termios.TCSADRAIN)  # what was typed while the machine was busy counts, too
            ready, _, _ = select.select([number], [], [], seconds)
            # One press of an arrow or function key is several signs; only the first counts.
            return os.read(number, 64)[:1].decode("ascii", "replace").lower() if ready else ""
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)
