"""Workers know runs: what happened, what to do next, and doing it exactly once."""
