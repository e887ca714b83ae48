"""What police see of a force, a region or the nation, never more than their scope."""
