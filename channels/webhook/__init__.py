"""Webhooks: a signed POST comes in, a signed callback goes out. Callbacks reach no address that is
internal to us."""
