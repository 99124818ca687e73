"""Ask a running model questions with known answers, and walk the workers' own policy over the
outcomes."""
