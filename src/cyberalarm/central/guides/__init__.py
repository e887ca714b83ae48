"""Guides on the centre's own site: installing a collector, setting up each device, and when an alarm begins."""
