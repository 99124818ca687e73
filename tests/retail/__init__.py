"""A public benchmark as a test of 'once': the retail domain of sierra-research/tau2-bench."""
