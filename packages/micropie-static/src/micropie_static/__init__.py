"""Static files below a mount of a MicroPie app."""
