"""Floor 1: messages. How one comes in, how its answer goes back, and what is the same for every
channel. Knows nothing of runs, agents or models."""
