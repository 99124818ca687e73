"""The HTTP side of `ponderd serve`: where messages come in, the API for runs and approvals, health,
and the page behind an approval link."""
