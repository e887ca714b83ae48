"""Members, their sites and their collectors; which force each belongs to."""
