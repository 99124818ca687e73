"""What to do next about a run: `next_step`, and the rules that it asks.
Pure: a run, an agent and the time go in, a step comes out."""
