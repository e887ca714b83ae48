"""Sends the lines of a file round and round to a UDP port of this machine at a steady rate; prints how many, and in what time.

    python bench/sender.py LINES PORT RATE SECONDS

A process of its own, which does nothing else. What is due is handed to the system at once, by sendmmsg(2), which Python does not
have: so it can go faster than what it measures. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from pathlib import Path

BURST = 64  # datagrams at most in one call
NAP = 0.0005  # seconds, when nothing is due
GIVE_UP = 1.5  # times the seconds that were asked for


class _Text(ctypes.Structure):  # struct iovec
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class _Head(ctypes.Structure):  # struct msghdr
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("texts", ctypes.POINTER(_Text)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = [("head", _Head), ("sent", ctypes.c_uint)]


def send(lines: list[bytes], port: int, rate: float, seconds: float) -> tuple[int, float]:
    """How many were sent, and the seconds that it took."""
    texts = (_Text * len(lines))(*(_Text(line, len(line)) for line in lines))
    messages = (_Message * len(lines))()
    for text, message in zip(texts, messages, strict=True):
        message.head.texts, message.head.count = ctypes.pointer(text), 1
    first, size = ctypes.addressof(messages), ctypes.sizeof(_Message)
    system = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        file, total, sent = sender.fileno(), int(rate * seconds), 0
        began = time.perf_counter()
        while sent < total and (now := time.perf_counter() - began) < seconds * GIVE_UP:
            at = sent % len(lines)
            due = min(int(now * rate) - sent, total - sent, len(lines) - at, BURST)
            if due <= 0:
                time.sleep(NAP)
                continue
            done = system.sendmmsg(file, ctypes.c_void_p(first + at * size), due, 0)
            if done < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            sent += done
        return sent, time.perf_counter() - began


if __name__ == "__main__":
    path, port, rate, seconds = sys.argv[1:]
    print(*send(Path(path).read_bytes().splitlines(), int(port), float(rate), float(seconds)))
