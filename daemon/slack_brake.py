"""Stop loops with bots in Slack. All counts are in the store, so they hold for all daemons."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ponderd.channels.errors import TooMany
from ponderd.workers.store.contract import RunStore

IN_THREAD = 5
"""Messages that are taken from one bot in one thread within an hour: two bots that answer each
other do so in one."""

_PERIOD = 1800
_PERIODS = 3
"""An hour is counted as this and the last two half hours, so it is never less than an hour."""
_TTL = (_PERIODS + 1) * _PERIOD


class BotBrake:
    """Looks at each message of a bot before it is accepted."""

    def __init__(self, store: RunStore, clock: Callable[[], float], hourly: int) -> None:
        """`hourly`: messages that are taken from one bot in one channel within an hour."""
        self._store = store
        self._clock = clock
        self._hourly = hourly

    async def check(self, bot: str, channel: str, thread: str, key: str) -> None:
        """Raises `TooMany`. A message that comes again, with the same `key`, counts once. `thread`
        is empty for a message that stands at top level. Raises `Unavailable`."""
        store, token = self._store, secrets.token_hex(8)
        if await store.remember(f"slack:bot:seen:{key}", token, _TTL) != token:
            if refused := await store.recall(f"slack:bot:refused:{key}"):
                raise TooMany(refused)
            return
        limits = {f"slack:bot:{bot}:{channel}": (self._hourly, "this channel")}
        if thread:
            limits[f"slack:bot:{bot}:{channel}:{thread}"] = (IN_THREAD, "this thread")
        for account, (limit, where) in limits.items():
            if await self._count(account) > limit:
                reason = f"more than {limit} messages of the bot {bot} in {where} in an hour"
                await store.remember(f"slack:bot:refused:{key}", reason, _TTL)
                raise TooMany(reason)

    async def _count(self, account: str) -> float:
        """Count one message. Returns how many came within the last hour."""
        now = int(self._clock() // _PERIOD)
        this = f"{account}:{now}"
        counted = await self._store.spend({this: {"messages": 1}}, _TTL)
        before = await self._store.spent([f"{account}:{now - ago}" for ago in range(1, _PERIODS)])
        return counted[this]["messages"] + sum(period.get("messages", 0) for period in before)
