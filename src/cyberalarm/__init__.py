"""CyberAlarm: collectors at members' sites, a centre that analyses what they send, and an opt-in scanner.

The folders below are the system: `core` is the vocabulary, `formats` and `envelope` are what both sides
share, `collector` and `central` never import each other, `scanner` stands beside them, `lab` plays attacks
and `cli` joins everything on the command line.
"""

__version__ = "0.1.0"
