"""The HTTP side of `ponderd serve`: the way in for messages, the API for runs and approvals,
health, and the page behind an approval link."""
