"""Floor 3: processes. Connects channels to workers: HTTP, mail, Slack, configuration, and the
command `ponderd`."""
