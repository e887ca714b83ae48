"""The vocabulary that collector, centre and scanner share. Pure values: no sockets, no clock, no framework.

The only files read are this package's own data tables (`schema.toml`, `places.toml`, `ports.toml`).
"""
