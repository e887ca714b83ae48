"""Scripted suspicious activity and ordinary background noise as real vendor log lines, with the truth beside
them.

Deterministic by seed. Knows nothing of packs or collectors: what it writes is what the products write.
"""
