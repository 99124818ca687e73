"""The daemon wires channels to workers: HTTP, mail, Slack, processes, commands."""
