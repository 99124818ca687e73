"""How long a run rests that its holders do not survive. Pure; `lua/claim.lua` says the same."""

from __future__ import annotations

MANY_DEATHS = 10
"""How many holders in a row may die before a run counts as the cause. Each of them had other runs
in hand, too, and any of those may have been it."""

_FREE = 2
"""Holders may die this often before a run rests: most deaths have nothing to do with it."""

_LONGEST = 3600
"""Seconds."""


def rest_after(deaths: int, run_id: str) -> float:
    """Seconds until a run may be claimed again. Runs whose holder died rest for different times, so
    that they do not all share the next death, too."""
    if deaths <= _FREE:
        return 0.0
    try:
        share = int(run_id[-4:], 16) * (2 * deaths + 1) % 65536
    except ValueError:
        share = 0
    # In ms, as a server computes it.
    return int(1000 * min(2 ** (deaths - 2), _LONGEST) * (0.5 + share / 65536)) / 1000
