"""The body of a request: receiving it, forms, uploads."""
