"""What the model sees of a run. Pure: turns and an agent go in, messages come out."""
