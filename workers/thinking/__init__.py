"""How hard to think about one model call: pins, hold, score, verify. The ledger of past calls
teaches what thinking brings."""
