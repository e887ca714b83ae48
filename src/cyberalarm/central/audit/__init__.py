"""The record of privileged acts: append-only and hash-chained. It is not logging."""
