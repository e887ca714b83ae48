"""The console's screen and keys: a Linux virtual terminal, or a serial line. What strangers wrote cannot steer it."""

from __future__ import annotations

import os
import select
import sys
import termios
import textwrap
import tty

_CLEAR = "\x1b[2J\x1b[H"
_WIDTH, _HEIGHT = 80, 24
_WIDEST = 100  # wider lines are hard to read


# A virtual terminal's font has these not.
_PLAIN = str.maketrans({"…": "...", "→": "->", "–": "-", "“": '"', "”": '"', "‘": "'", "’": "'"})


def printable(text: str) -> str:
    """Text that a bare screen can show, and that cannot steer it."""
    text = text.translate(_PLAIN)
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)


def wrapped(text: str, width: int) -> str:
    """Lines no longer than the screen is wide, so that no word is torn; what goes on stands as far in as the line began."""
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    words = line.lstrip(" ")
    margin = " " * (len(line) - len(words))
    whole = textwrap.TextWrapper(
        max(width, 20),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return line if len(line) <= width else whole.fill(words)


class Terminal:
    @staticmethod
    def width() -> int:
        """Signs in a line; a serial line does not say, and has 80 by custom."""
        try:
            return min(os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH, _WIDEST)
        except OSError:
            return _WIDTH

    def clear(self) -> None:
        sys.stdout.write(_CLEAR)
        sys.stdout.flush()

    def say(self, text: str = "") -> None:
        sys.stdout.write(wrapped(printable(text), self.width()) + "\n")
        sys.stdout.flush()

    def show(self, text: str) -> None:
        """A long text, a screenful at a time. Raises EOFError when the terminal is gone."""
        lines = wrapped(printable(text), self.width()).split("\n")
        room = max(self._height() - 2, 5)
        for begin in range(0, len(lines), room):
            if begin:
                self.ask("Press Enter for more:")
            sys.stdout.write("\n".join(lines[begin : begin + room]) + "\n")
            sys.stdout.flush()

    @staticmethod
    def _height() -> int:
        try:
            return os.get_terminal_size(sys.stdout.fileno()).lines or _HEIGHT
        except OSError:
            return _HEIGHT

    def ask(self, question: str) -> str:
        """One line, without blanks around it. Raises EOFError when the terminal is gone."""
        sys.stdout.write(f"{wrapped(printable(question), self.width())} ")
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
