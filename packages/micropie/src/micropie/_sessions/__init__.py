"""Sessions: one browser's data, the store that keeps it, the cookie that carries its id."""
