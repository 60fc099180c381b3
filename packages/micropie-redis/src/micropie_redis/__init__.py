"""Sessions of a MicroPie app in Redis."""
