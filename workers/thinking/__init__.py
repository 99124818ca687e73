"""How hard to think about one model call: pins, hold, score, verify. What the calls bought is
learned from the ledger."""
