"""Detection rules as data, the runner that applies them, and what they found."""
