"""Was the thinking worth it? Reports from the ledger, from a table of outcomes, and from
questions put to a live model."""
