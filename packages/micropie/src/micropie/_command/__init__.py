"""The command `micropie`; nothing else imports from here."""
