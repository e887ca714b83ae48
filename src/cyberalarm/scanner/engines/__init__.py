"""One module per way of asking. An engine gives what it saw, or raises ProbeError: it never reports silence
as clean.
"""
