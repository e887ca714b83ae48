"""The vulnerability scanner: authority first, then engines, feeds, matching, findings and the report.

Nothing here sends a packet to a target without a consent in force and a proof of control.
"""
