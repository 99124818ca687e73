"""Webhooks: a signed POST comes in, a signed callback goes out. Callbacks cannot reach our internal
addresses."""
