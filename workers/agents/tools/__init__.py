"""The tools of the shipped agents: calculator, clock, waiting, deployments, attachments. Each tool
is one function."""
