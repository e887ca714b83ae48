"""What collector and centre share to trust each other: keys, sealed envelopes, receipts, tokens, signed
documents.

The only package that imports `cryptography`. Pure functions over bytes, except for loading and saving key
files.
"""
