"""People and programs at work: conversations of several kinds over all channels, all at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import redis.asyncio as redis

from ponderd.workers.store.contract import FINISHED, conversation_key
from ponderd.workers.store.shards import prefixes, shard_of_name
from tests.chaos.faults import Faults
from tests.chaos.receivers import Visible
from tests.chaos.senders import AGENT, Again, Conversation, Message, Refusal, Senders
from tests.chaos.world import World

OPEN = 40
"""Conversations at once."""
FLOOD = 25
"""Messages at once."""
PATIENCE = 30.0
"""Seconds for which somebody waits for an outcome before they do something else; the final check
waits for it longer."""
Decide = Callable[[Conversation, bool, Message], Awaitable[None]]
ANSWERS = ("yes", "yes", "no")
CHANNELS = ("api", "webhook", "slack", "email")


class Load:
    def __init__(self, world: World, faults: Faults, senders: Senders) -> None:
        self.conversations: list[Conversation] = []
        self._world = world
        self._faults = faults
        self._senders = senders
        self._random = faults.random
        kinds: dict[Callable[[Conversation], Awaitable[None]], int] = {
            self._small_talk: 6,
            self._all_at_once: 2,
            partial(self._order, tool="keep"): 4,
            partial(self._order, tool="once"): 3,
            self._approve: 5,
            self._ask_back: 2,
            self._pause: 2,
            self._cancel: 1,
            self._late: 2,
            self._fatal: 1,
            self._flood: 1,
        }
        self._kinds = list(kinds)
        self._weights = list(kinds.values())

    async def run(self) -> None:
        """Talk until it is over, then until everybody was heard."""
        talking: set[asyncio.Task[None]] = set()
        while not self._faults.over.is_set():
            if len(talking) < OPEN:
                talking.add(asyncio.create_task(self._talk()))
                await asyncio.sleep(self._random.uniform(0, 0.1))
            else:
                _, talking = await asyncio.wait(
                    talking, timeout=0.5, return_when=asyncio.FIRST_COMPLETED
                )
            for task in [task for task in talking if task.done()]:
                task.result()
                talking.discard(task)
        await asyncio.gather(*talking)
        await self._senders.finish()

    async def _talk(self) -> None:
        number = f"t{len(self.conversations)}x{self._faults.seed}"
        channel = self._random.choice(CHANNELS)
        name = {
            "slack": f"T1:C{len(self.conversations) % 5}:17{len(self.conversations):08}.000000",
            "email": f"<{number}-0@example.com>",
        }.get(channel, number)
        talk = Conversation(number, channel, name)
        self.conversations.append(talk)
        [kind] = self._random.choices(self._kinds, self._weights)
        await kind(talk)

    # -- kinds of conversations -----------------------------------------------------------------

    async def _small_talk(self, talk: Conversation) -> None:
        for i in range(self._random.choice((1, 1, 2))):
            await self._say(talk, f"hello {talk.id}-{i}")
            if await self._outcomes(talk, i + 1):
                await self._rate(talk)

    async def _all_at_once(self, talk: Conversation) -> None:
        """A burst, in whatever order it arrives."""
        count = self._random.randint(2, 4)
        messages = [self._message(talk) for _ in range(count)]
        sent = [self._send(talk, f"hello {message.id}", message) for message in messages]
        self._random.shuffle(sent)
        await asyncio.gather(*sent)
        await self._outcomes(talk, count)

    async def _order(self, talk: Conversation, tool: str) -> None:
        await self._say(talk, _order(tool, talk))
        await self._outcomes(talk, 1)

    async def _approve(self, talk: Conversation) -> None:
        """Answered in one way, or in two or three different ways at once."""
        await self._say(talk, _order("risky", talk))
        if not await self._outcomes(talk, 1):
            return
        await self._find_run(talk)
        ways = [
            partial(self._say, talk, self._random.choice(ANSWERS)),
            partial(self._say_by_api, talk, self._random.choice(ANSWERS)),
            partial(self._decide, talk, self._senders.decide),
        ]
        if talk.channel == "slack":
            ways.append(partial(self._decide, talk, self._senders.click))
        count = self._random.choice((1, 2, 2, 3))
        if count > 1 and not self._faults.over.is_set():
            self._faults.struck("approval.answered_twice")
        await asyncio.gather(*(way() for way in self._random.sample(ways, count)))
        await self._outcomes(talk, 2)

    async def _decide(self, talk: Conversation, by: Decide) -> None:
        verdict = Message(f"{talk.id}-v{len(talk.verdicts)}", None)
        talk.verdicts.append(verdict)
        yes = self._random.choice(ANSWERS) == "yes"
        await self._senders.deliver(verdict, partial(by, talk, yes, verdict))

    async def _rate(self, talk: Conversation) -> None:
        await self._find_run(talk)
        rating = Message(f"{talk.id}-r{len(talk.ratings)}", None)
        if talk.channel == "slack" and self._random.random() < 0.5:
            await self._senders.deliver(rating, partial(self._senders.thumb, talk, rating))
        else:
            talk.ratings.append(rating)
            await self._senders.deliver(rating, partial(self._senders.rate, talk, rating))

    async def _ask_back(self, talk: Conversation) -> None:
        await self._say(
            talk, f"!{json.dumps({'action': 'ask_human', 'text': f'which {talk.id}?'})}"
        )
        if await self._outcomes(talk, 1):
            await self._say(talk, f"this {talk.id}")
            await self._outcomes(talk, 2)

    async def _pause(self, talk: Conversation) -> None:
        await self._say(talk, _order(self._random.choice(("keep", "once")), talk))
        await self._find_run(talk)
        await self._steer(talk, "pause")
        await asyncio.sleep(self._random.uniform(0, 1))
        await self._steer(talk, "resume")
        await self._outcomes(talk, 1)

    async def _cancel(self, talk: Conversation) -> None:
        await self._say(talk, _order(self._random.choice(("keep", "once", "risky")), talk))
        await self._find_run(talk)
        await asyncio.sleep(self._random.uniform(0, 0.5))
        await self._steer(talk, "cancel")
        await self._outcomes(talk, 1)

    async def _late(self, talk: Conversation) -> None:
        """Nobody knows what became of it, so somebody looks, and says so."""
        await self._say(talk, _order("late", talk))
        if await self._outcomes(talk, 1):
            await self._say(talk, f"I looked {talk.id}")
            await self._outcomes(talk, 2)

    async def _fatal(self, talk: Conversation) -> None:
        """It kills its worker, perhaps until it is set aside. Then somebody says no."""
        self._faults.struck("worker.poison")
        await self._say(talk, _order("fatal", talk))
        await self._find_run(talk)
        if await self._is_set_aside(talk):
            await self._say(talk, "no")
            await self._outcomes(talk, 2)

    async def _is_set_aside(self, talk: Conversation) -> bool:
        """Whether its run is set aside in the end, as soon as its first message has an outcome."""
        while True:
            with contextlib.suppress(Again, aiohttp.ClientError, OSError, TimeoutError):
                status = await self._senders.status(talk.run_id)
                if status == "SET_ASIDE":
                    return True
                if status in FINISHED:
                    return False
            await asyncio.sleep(0.5)

    async def _flood(self, talk: Conversation) -> None:
        """Many at once in one conversation."""
        if talk.channel == "email":  # one person who sends so many mails is braked
            return await self._all_at_once(talk)
        self._faults.struck("sender.flood")
        messages = [self._message(talk) for _ in range(FLOOD)]
        await asyncio.gather(*(self._send(talk, f"hello {m.id}", m) for m in messages))
        await self._outcomes(talk, FLOOD)
        return None

    # -- steps of them --------------------------------------------------------------------------

    def _message(self, talk: Conversation) -> Message:
        id = f"{talk.id}-{len(talk.messages)}"
        address = {
            "slack": f"slack:{talk.name.split(':', 1)[1]}" if talk.channel == "slack" else "",
            "email": f"mail:<{id}@example.com>",
        }.get(talk.channel, f"callback:{id}")
        message = Message(id, address)
        talk.messages.append(message)
        return message

    async def _say(self, talk: Conversation, text: str) -> None:
        await self._send(talk, text, self._message(talk))

    async def _send(self, talk: Conversation, text: str, message: Message) -> None:
        by = {
            "api": self._senders.launch,
            "webhook": self._senders.webhook,
            "slack": self._senders.slack,
            "email": self._senders.mail,
        }[talk.channel]
        await self._senders.deliver(message, partial(by, talk, text, message))

    async def _say_by_api(self, talk: Conversation, text: str) -> None:
        message = self._message(talk)
        message.address = None
        await self._senders.deliver(message, partial(self._senders.write, talk, text, message))

    async def _outcomes(self, talk: Conversation, count: int) -> list[Visible]:
        """What became visible, as soon as it is `count` messages; empty when patience ends."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = self._world.received.at(talk.addresses)
            if len(seen) >= count:
                return seen
            await asyncio.sleep(0.1)
        return []

    async def _find_run(self, talk: Conversation) -> None:
        """The run of a conversation whose channel does not tell its id."""
        name = conversation_key(AGENT, talk.channel, "", talk.name)
        key = f"{prefixes('ponderd')[shard_of_name(name)]}:conversation:{name}"
        while not talk.run_id:
            with contextlib.suppress(redis.RedisError, OSError):
                async with self._world.redis() as client:
                    found = await client.get(key)
                    talk.run_id = found.decode() if isinstance(found, bytes) else ""
            await asyncio.sleep(0.1)

    async def _steer(self, talk: Conversation, how: str) -> None:
        """A verb of the run API, until it is done or the run is over."""
        while True:
            with contextlib.suppress(Again, aiohttp.ClientError, OSError, TimeoutError):
                try:
                    async with asyncio.timeout(10):
                        await self._senders.api(f"/runs/{talk.run_id}/{how}", {"by": "Bob"}, None)
                except Refusal as error:
                    if error.status != 409:
                        self._senders.refused.append(str(error))
                return
            await asyncio.sleep(0.2)


def _order(tool: str, talk: Conversation) -> str:
    return f"!{json.dumps({'action': tool, 'order': talk.id})}"
