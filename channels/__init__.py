"""Floor 1: messages. How a message comes in, how its answer goes back, and what all channels share.
Knows nothing of runs, agents or models."""
