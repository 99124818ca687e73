"""The commands of `ponderd` that talk to a running daemon."""
