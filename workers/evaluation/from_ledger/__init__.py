"""What the ledger of a running system tells: the front of reward over tokens, the right lambda,
and rows to train a model with."""
