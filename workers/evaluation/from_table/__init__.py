"""The offline learner of `ponderd thinking evaluate TABLE.csv`; nothing else uses it.
Its row `policy` is not the workers' policy (thinking/policy.py), which `--live` measures."""
