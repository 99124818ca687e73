"""ponderd: agents for a team. One message in, exactly one answer back."""
