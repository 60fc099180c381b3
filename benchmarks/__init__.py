"""Benchmarks: MicroPie beside its peers, in one run. `hatch run bench:all` starts them."""
