"""Scheduled background work inside the serving process."""
