"""Runs that no worker can advance, counted and named for operators."""

from __future__ import annotations

from collections import Counter

from pydantic import ValidationError

from ponderd.channels.errors import NotFound
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.execution.fleet import live_agents
from ponderd.workers.execution.stranded import STRANDED, Stranded
from ponderd.workers.store.contract import FINISHED

LOOKED_AT = 200
"""Entries that are looked at anew whenever they are listed, and newest runs that wait for people
whose agents are looked for."""


class StrandedRuns:
    """Reads the list that workers keep, and adds runs that wait for people who could decide
    nothing, because the agent is gone. Entries of runs that went on are tidied away when they are
    met. All methods raise `Unavailable`."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    async def listed(self) -> dict[str, Stranded]:
        """By run."""
        store, listed = self._log.store, {}
        for number, (run_id, entry) in enumerate((await store.box(STRANDED)).items()):
            try:
                found = Stranded.model_validate_json(entry)
            except ValidationError:  # a newer ponderd wrote it
                continue
            if number >= LOOKED_AT or await self._holds(run_id, found.version):
                listed[run_id] = found
            else:
                await store.drop(STRANDED, run_id)
        return await self._waiting() | listed

    async def counted(self) -> dict[str, int]:
        """By reason."""
        found = Counter(entry.reason for entry in (await self.listed()).values())
        return {reason: found[reason] for reason in ("agent", "events", "archive")}

    async def _waiting(self) -> dict[str, Stranded]:
        """Those that wait for an answer or an approval, before anybody writes to them."""
        store = self._log.store
        there = await live_agents(store)
        if not there:  # no worker at all, or older ones, which tell nothing
            return {}
        page = await store.list_runs(status="WAITING", agent=None, limit=LOOKED_AT, cursor=None)
        return {
            head.id: Stranded(
                version=head.version, reason="agent", agent=head.agent, since=head.updated_at
            )
            for head in page.heads
            if head.agent not in there and head.waiting_for in ("answer", "approval")
        }

    async def _holds(self, run_id: str, version: int) -> bool:
        try:
            head = await self._log.store.head(run_id)
        except (NotFound, ValueError):
            return False
        return head is not None and head.version == version and head.status not in FINISHED


def degraded(listed: dict[str, Stranded]) -> list[str]:
    """What an operator should know, in words."""
    agents = Counter(entry.agent for entry in listed.values() if entry.reason == "agent")
    said = [
        f"{count} run{'s wait' if count != 1 else ' waits'} for {name}, an agent that no worker has"
        for name, count in sorted(agents.items())
    ]
    newer = sum(entry.reason == "events" for entry in listed.values())
    if newer:
        said.append(f"{newer} run{'s' * (newer != 1)} can only be read by a newer ponderd")
    away = sum(entry.reason == "archive" for entry in listed.values())
    if away:
        said.append(f"{away} run{'s' * (away != 1)} cannot be woken: PONDERD_ASLEEP lacks the logs")
    return said
