"""Drift: noticing that a device's lines are no longer what they were, and keeping redacted samples of those that nobody knows."""
