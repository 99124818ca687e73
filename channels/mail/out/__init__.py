"""The answer as a mail, and its way to the relay."""
