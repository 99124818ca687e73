"""Doing it once: claim a run, call its model, use its tools, deliver its replies.
Also the worker process itself: leases, pokes, counters."""
