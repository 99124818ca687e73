"""Floor 3: processes. Wires channels to workers: HTTP, mail, Slack, configuration, and the
command `ponderd`."""
