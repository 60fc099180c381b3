"""What a handler sees of a connection, and what it answers with."""
