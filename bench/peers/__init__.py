"""Programs of others that take fields out of log lines, run as processes of their own, pinned to one core."""
