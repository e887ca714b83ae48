"""Speed and memory, each figure beside its peer in the same run. `python -m bench` runs all and writes docs/benchmarks.md."""
