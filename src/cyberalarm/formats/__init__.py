"""How vendors write: packs as TOML data, their loader, linter and `explain`. The splitting itself is the kernel's."""
