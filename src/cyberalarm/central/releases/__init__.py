"""Pack releases: published by an operator, served to collectors."""
