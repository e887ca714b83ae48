"""Vulnerability and fingerprint feeds, and the one SQLite file (`vulndb`) that they are imported into."""
