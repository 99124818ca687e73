"""Was the thinking worth it? Reports from the ledger, from a table of outcomes, and from questions
that a live model answers."""
