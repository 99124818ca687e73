"""Tell people what is being done for their message, where their channel can show it."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from ponderd.channels.channel import Channel, ShowsProgress
from ponderd.channels.message import Address

log = structlog.get_logger(__name__)

THINKING = "is thinking…"


class Progress:
    """Nothing waits for what this shows, and no step fails because of it."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._shows = {
            name: channel.progress
            for name, channel in channels.items()
            if isinstance(channel, ShowsProgress)
        }

    def doing(self, to: Address | None, what: str) -> None:
        if to is None or (show := self._shows.get(to.channel)) is None:
            return
        try:
            show(to, what)
        except Exception:  # it promises not to
            log.exception("progress not shown")

    def done(self, to: Address | None) -> None:
        self.doing(to, "")
