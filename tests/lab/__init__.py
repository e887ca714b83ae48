"""The lab: what it writes, that it is true, and that it arrives."""
