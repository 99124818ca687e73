"""Only `ponderd thinking evaluate TABLE.csv` uses this offline learner. The workers' own policy
is thinking/policy.py."""
