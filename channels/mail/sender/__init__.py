"""Who wrote a mail: a person or a machine, and what proves it."""
