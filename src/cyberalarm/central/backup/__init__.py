"""Backups: everything that a centre cannot make again, of one moment, sealed to a recovery key, in a folder or an S3 store."""
