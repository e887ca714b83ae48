"""Taking envelopes in: verify, open, check, store together with others, give a receipt."""
