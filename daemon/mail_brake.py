"""Stop loops with programs that answer mail, and floods of it.

All counts are in the store, so they hold for all daemons and after a restart.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections.abc import Callable, Mapping

import structlog

from ponderd.channels.channel import Accept
from ponderd.channels.errors import TooMany
from ponderd.channels.mail.sender.brake import (
    ALIKE,
    QUICK,
    THREAD_HOURLY,
    Likeness,
    likeness,
    suspicion,
)
from ponderd.channels.message import Accepted, Trigger
from ponderd.daemon.mail_report import count
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.run import events as e

log = structlog.get_logger(__name__)

_PERIOD = 1800
_PERIODS = 3
"""An hour is counted as this and the last two half hours, so it is never less than an hour."""
_BITE = 50
_TTL = (_PERIODS + 1) * _PERIOD


class MailBrake:
    """Looks at each mail before it is accepted. `agent_for` names the agent that it goes to."""

    def __init__(self, run_log: RunLog, agent_for: Callable[[Trigger], str], hourly: int) -> None:
        self._log = run_log
        self._agent_for = agent_for
        self._hourly = hourly

    async def check(self, trigger: Trigger) -> None:
        """Raises `TooMany` for a mail that seems to be part of a loop or a flood. The same mail,
        delivered again, counts once. Raises `Unavailable`."""
        store = self._log.store
        for key in trigger.keys:
            token = secrets.token_hex(8)
            if await store.remember(f"mail:seen:{key}", token, _TTL) != token:
                if refused := await store.recall(f"mail:refused:{key}"):
                    raise TooMany(refused)
                return
        reason = await self._reason(trigger)
        if reason is None:
            return
        for key in trigger.keys:
            await store.remember(f"mail:refused:{key}", reason, _TTL)
        await count(store, "refused")
        log.warning(
            "mail refused: a loop or a flood",
            sender=trigger.sender,
            agent=self._agent_for(trigger),
            run=trigger.run_id,
            reason=reason,
        )
        raise TooMany(reason)

    def noting(self, accept: Accept) -> Accept:
        """`accept`, after which it is known which run a sender's mail went to."""

        async def accept_and_note(trigger: Trigger) -> Accepted:
            accepted = await accept(trigger)
            mail = likeness(trigger.text)
            account = f"{self._accounts(trigger, mail)['here']}:{self._period()}"
            [spent] = await self._log.store.spent([account])
            note = f"{account}:{spent.get('mails', 0):.0f}"
            await self._log.store.remember(note, f"{accepted.run_id} {mail.alike}", _TTL)
            return accepted

        return accept_and_note

    async def _reason(self, trigger: Trigger) -> str | None:
        mail = likeness(trigger.text)
        counts = await self._count(self._accounts(trigger, mail))
        if sum(counts["sender"]) > self._hourly:
            return f"more than {self._hourly} mails from you in an hour; write again later"
        if trigger.run_id and sum(counts["thread"]) > THREAD_HOURLY:
            return f"more than {THREAD_HOURLY} mails in this thread in an hour; write again later"
        suspected = suspicion(
            mail,
            same=sum(counts["same"]),
            alike=sum(counts["alike"]),
            in_thread=trigger.run_id is not None,
        )
        match suspected:
            case "loop if quick":
                here = self._accounts(trigger, mail)["here"]
                run_id = trigger.run_id or await self._last_run(here, counts["here"], mail)
                if run_id is None or not await self._just_answered(run_id):
                    return None
            case "":
                return None
        return (
            f"more than {ALIKE} mails in an hour say the same, as a program's would; "
            "write again later, or in other words"
        )

    def _accounts(self, trigger: Trigger, mail: Likeness) -> dict[str, str]:
        here = (self._agent_for(trigger), trigger.sender)
        thread = (trigger.run_id or self._agent_for(trigger), trigger.sender)
        return {
            "sender": _account("sender", trigger.sender),
            "here": _account("here", *here),
            "thread": _account("thread", *thread),
            "same": _account("same", *thread, mail.same),
            "alike": _account("alike", *thread, mail.alike),
        }

    async def _count(self, accounts: Mapping[str, str]) -> dict[str, list[int]]:
        """Count one mail in each account. Returns the counts of the periods, the newest first."""
        now, store = self._period(), self._log.store
        spent = await store.spend(
            {f"{name}:{now}": {"mails": 1} for name in accounts.values()}, _TTL
        )
        before = [f"{name}:{now - ago}" for name in accounts.values() for ago in range(1, _PERIODS)]
        older = iter(await store.spent(before))
        return {
            kind: [
                int(spent[f"{name}:{now}"]["mails"]),
                *(int(next(older).get("mails", 0)) for _ in range(1, _PERIODS)),
            ]
            for kind, name in accounts.items()
        }

    async def _last_run(self, account: str, counts: list[int], mail: Likeness) -> str | None:
        """The run that the sender's mail before this one went to. None if one of the last few said
        something else: then a person writes."""
        now = self._period()
        before = (
            f"{account}:{now - ago}:{number}"
            for ago, total in enumerate(counts)
            for number in range(total - (ago == 0), 0, -1)
        )
        last = None
        for note in itertools.islice(before, ALIKE):
            run_id, _, said = (await self._log.store.recall(note) or "").partition(" ")
            if said not in ("", mail.alike):  # "": it was refused, or is about to be accepted
                return None
            last = last or run_id
        return last

    async def _just_answered(self, run_id: str) -> bool:
        head = await self._log.store.head(run_id)
        end = head.version if head else 0
        while end > 0:  # from the end, in bites: the run may be long
            start = max(0, end - _BITE)
            log = await self._log.store.load(run_id, start, end - start)
            for event in e.decode_all(log)[::-1]:
                if isinstance(event, e.ReplyStarted | e.ReplySent):
                    return self._log.clock() - event.at < QUICK
            end = start
        return False

    def _period(self) -> int:
        return int(self._log.clock() // _PERIOD)


def _account(kind: str, *parts: str) -> str:
    """A name of fixed length that tells nobody's address."""
    text = "\n".join(parts).lower()
    return f"mail:{kind}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
