"""How a collector becomes known: provisioned with a token, enrolled with a key; and the centre's own keys."""
