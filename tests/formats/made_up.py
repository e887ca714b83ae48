"""A pack of a made-up product that no bundled pack knows, for tests of packs and of their delivery."""

from __future__ import annotations

DOOR = """
name = "example-door"
vendor = "Example"
product = "Door"
version = 1
sensor = "firewall"
summary = "A made-up door."
transports = ["udp"]
setup = "None."

[maps.action]
shut = "blocked"

[[line]]
name = "door"
syntax = "template"
begins = ["door "]
templates = ["door {verdict:word} from {src:ip}[ to {dst:ip}]"]

[[line.kind]]
name = "any"
[line.kind.fields]
action = { from = "verdict", map = "action", default = "unknown" }
src_ip = "src"
dst_ip = "dst"

[[example]]
line = "door shut from 192.0.2.1"
outcome = "kept"
event = { sensor = "firewall", action = "blocked", src_ip = "192.0.2.1" }
"""
