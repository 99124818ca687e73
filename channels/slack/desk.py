"""What a message in Slack needs before an agent gets it: may its writer write, to which run does it
belong, what are people called, what is in the files, what was said before."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from ponderd.channels.blobs import Blobs, owner_of
from ponderd.channels.channel import Accept, AnswerInquiry, Note, React
from ponderd.channels.errors import Conflict, DeliveryError, Refused
from ponderd.channels.files import FileReader
from ponderd.channels.message import Address, Attachment, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack import history
from ponderd.channels.slack.access import (
    is_certain,
    program_let_in,
)
from ponderd.channels.slack.clicks import ClickReplies
from ponderd.channels.slack.conversation import Current, begins_anew
from ponderd.channels.slack.direct import conversation_at, others_asking
from ponderd.channels.slack.directory import Directory, Person
from ponderd.channels.slack.door import Door
from ponderd.channels.slack.files import fetch_files
from ponderd.channels.slack.hearing import is_heard, is_typed_ahead
from ponderd.channels.slack.kept_for import KeptFor
from ponderd.channels.slack.memory import KnownRun, SlackMemory
from ponderd.channels.slack.reading.message import Said, named_in, read_message
from ponderd.channels.slack.receive import (
    Command,
    Pressed,
    Reacted,
    Shortcut,
    SlackEvent,
    SlackMessage,
)
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import Workspaces
from ponderd.channels.slack.writer import Writer

ANEW = "The next message here begins a new conversation."
TYPED_AHEAD = "I was only just asking when you wrote, so it decides nothing. Please answer again."
WHICH_ONE = (
    "More than one question is open here, so this decides nothing. Please answer in the thread of "
    "the one that you mean."
)
COMMAND_HELP = (
    "Write what you want to know behind the command. The answer comes in our direct messages, "
    "where you can go on."
)
UNDER_WAY = "I am on it. The answer comes in our direct messages."
LOOK_AT_THIS = "Please look at this message."

_SHOWN = 5_000
_SHOWN_SECONDS = 600
"""How many messages with a first sign are remembered, and how long."""

log = structlog.get_logger(__name__)


class NotForUsError(Exception):
    """The message is genuine, and asks for nothing."""


@dataclass(frozen=True)
class Desk:
    """Works off what `Intake` took. `alerts` has the agents of channels in which bots need no
    mention, `agents` those of channels that have one of their own."""

    settings: ChannelSettings
    workspaces: Workspaces
    directory: Directory
    door: Door
    signs: Signs
    memory: SlackMemory
    blobs: Blobs
    reader: FileReader
    accept: Accept
    answer: AnswerInquiry
    react: React
    alerts: Mapping[str, str]
    agents: Mapping[str, str]
    ignored: Note
    replies: ClickReplies
    shown: KeptFor[bool] = field(default_factory=lambda: KeptFor(_SHOWN, _SHOWN_SECONDS))

    def wants(self, event: SlackEvent) -> str:
        """Why the event asks for nothing, as far as its own fields say; "" if it may."""
        if not isinstance(event, SlackMessage) or event.is_direct or event.mentions_us:
            return ""
        if event.thread:
            return ""
        alert = bool(event.writer.programs) and event.writer.channel in self.alerts
        return "" if alert else "it does not mention us"

    def heard(self, event: SlackEvent) -> None:
        """Show at once that a message is heard, if the event itself says that it will be."""
        if isinstance(event, SlackMessage) and self._is_shown(event):
            place = f"{event.writer.team}:{event.writer.channel}:{event.ts}"
            # A mention is told twice, and the second time it may already be answered.
            if self.shown.get(place) is None:
                self.shown.put(place, True)
                self.signs.begin(_answer_to(event), event.ts)

    def _is_shown(self, message: SlackMessage) -> bool:
        if not (message.is_direct or message.mentions_us):
            return False
        if message.writer.programs:
            return program_let_in(message.writer, self.settings.slack_bots)
        return is_certain(message.writer)

    async def work(self, event: SlackEvent) -> None:
        """Do what the event asks for. Raises Refused, Unavailable."""
        try:
            match event:
                case SlackMessage():
                    await self._message(event)
                case Reacted():
                    await self.door.check(event.writer)
                    if not await self.react(event.reaction):
                        raise NotForUsError("a reaction to something that is no answer of ours")
                case Command():
                    await self._command(event)
                case Shortcut():
                    await self._shortcut(event)
                case Pressed():
                    await self.press(event)
                case _:
                    assert_never(event)
        except NotForUsError as error:
            self.ignored("not for us", str(error))
            if isinstance(event, SlackMessage):
                self.signs.end(_answer_to(event))
        except Refused as error:
            # A second message under the keys of one that is being answered ends nothing.
            if isinstance(event, SlackMessage) and not isinstance(error, Conflict):
                self.signs.end(_answer_to(event))
            raise

    async def press(self, event: Pressed) -> None:
        """Answer a button. Raises Unavailable, and Refused once whoever pressed it was told so."""
        click = event.click
        try:
            await self.door.check(event.writer)
            outcome = await self.answer(click.verdict)
        except Refused as error:
            self.replies.refuse(click, str(error))
            raise
        self.replies.confirm(click, outcome)

    # -- messages ------------------------------------------------------------------------------

    async def _message(self, message: SlackMessage) -> None:
        writer, place = message.writer, f"{message.writer.team}:{message.writer.channel}"
        thread = f"{place}:{message.thread}"
        run = await self.memory.run_at(thread) if message.thread else None
        own = read_message(message.event, message.own_user).own
        person = await self._let_in(message, run, own)
        if not self._is_shown(message):
            self.signs.begin(_answer_to(message), message.ts)
        said = await self._read(writer, message.event, message.own_user)
        text, own = said.text, said.own
        name, run_id = f"{place}:{message.thread or message.ts}", run and run.id
        if message.is_direct and not (message.thread and run is None):
            anew, own = begins_anew(said.own)
            text = begins_anew(text)[1] if anew else text
            if anew and not text and not said.files:
                await self._forget(place, message)
                return
            if not message.thread:
                found = await self._directly(place, message, anew, own)
                if found is None:
                    return
                name, run_id = found
        trigger = Trigger(
            channel="slack",
            # Two keys: a retry has the same event_id; and if Slack tells of one message in two
            # events, as app_mention and as message, they have the same channel and ts.
            keys=(f"slack:event:{message.event_id}", f"slack:{place}:{message.ts}"),
            digest=_digest(message),
            conversation=name,
            run_id=run_id,
            text=text or "(no text)",
            own=None if own == text else own,
            sender=writer.sender,
            name=person.name if person else writer.name,
            agent=self.alerts.get(writer.channel) if _is_alert(message) else None,
            authentic=not writer.programs,
            reply_to=_answer_to(message),
            attachments=await self._files(said, writer, name),
            before=await self._before(message, run, thread),
        )
        accepted = await self.accept(trigger)
        await self.memory.belongs(f"{place}:{message.thread or message.ts}", accepted.run_id)
        await self.memory.belongs(name, accepted.run_id)
        if message.thread:
            await self.memory.heard(thread, message.ts)
        if message.mentions_us:
            addressed = f"{place}:{message.thread or message.ts}"
            await self.memory.addressed(addressed, writer.sender)

    async def _let_in(self, message: SlackMessage, run: KnownRun | None, own: str) -> Person | None:
        """Who wrote. Raises NotForUsError, Refused."""
        writer = message.writer
        addressed = message.is_direct or message.mentions_us
        if writer.programs:
            alert = _is_alert(message) and writer.channel in self.alerts
            if not program_let_in(writer, self.settings.slack_bots):
                raise NotForUsError(f"PONDERD_SLACK_BOTS does not list the bot {writer.sender}")
            if not (addressed or alert):
                raise NotForUsError("a bot wrote it without a mention")
            await self.memory.brake(
                writer.sender, writer.channel, message.thread, f"{writer.channel}:{message.ts}"
            )
            return None
        if not addressed and not await is_heard(self.memory, message, run, own):
            raise NotForUsError("it does not mention us")
        person = await self.door.check(writer, message.thread)
        about = "" if addressed else self.memory.about(own, writer.sender)
        if about == "verdict" and is_typed_ahead(message, run):
            await self.door.whisper(writer, TYPED_AHEAD, message.thread)
            raise NotForUsError("it was written before the question")
        return person

    async def _directly(
        self, direct: str, message: SlackMessage, anew: bool, own: str
    ) -> tuple[str, str | None] | None:
        """The conversation that a direct message at top level belongs to, and its run. None: which
        is not clear, and its writer was told so."""
        sender = message.writer.sender
        asking = [] if anew else await others_asking(self.memory, direct, own, sender)
        if len(asking) > 1:
            self.signs.end(_answer_to(message))
            await self.door.whisper(message.writer, WHICH_ONE)
            return None
        if asking:
            return f"{direct}:{message.ts}", asking[0].id
        silence = self.settings.slack_silence_hours * 3600
        return await conversation_at(self.memory, direct, message.ts, anew, silence)

    async def _forget(self, direct: str, message: SlackMessage) -> None:
        kept = await self.memory.current(direct)
        await self.memory.move(direct, kept, Current(f"{direct}:none", -math.inf).encode())
        self.signs.end(_answer_to(message))
        await self.door.whisper(message.writer, ANEW, message.thread)

    async def _read(self, writer: Writer, message: Mapping[str, Any], own: str | None) -> Said:
        names = await self.directory.names(writer.team, named_in(message))
        return read_message(message, own, names)

    async def _files(self, said: Said, writer: Writer, name: str) -> tuple[Attachment, ...]:
        if not said.files:
            return ()
        try:
            client = self.workspaces.client(writer.team, writer.organisation)
        except DeliveryError as error:
            return tuple(
                Attachment(
                    name=file.name,
                    content_type=file.content_type,
                    size=file.size,
                    text=file.preview,
                    length=len(file.preview),
                    unread="" if file.preview else str(error),
                )
                for file in said.files
            )
        return await fetch_files(
            said.files,
            client,
            self.blobs,
            owner_of("slack", name),
            reader=self.reader,
            limit=self.settings.slack_file_size,
        )

    async def _before(self, message: SlackMessage, run: KnownRun | None, thread: str) -> str:
        """What others said in the thread since its run last heard of it."""
        if not message.thread or message.is_direct or not message.mentions_us:
            return ""
        since = await self.memory.heard_until(thread) if run else ""
        writer = message.writer
        try:
            client = self.workspaces.client(writer.team, writer.organisation)
        except DeliveryError:
            return ""
        return await history.before(
            client,
            writer.channel,
            message.thread,
            message.ts,
            self.directory,
            writer.team,
            since_ts=since,
            own_user=message.own_user,
        )

    # -- commands and shortcuts ----------------------------------------------------------------

    async def _command(self, command: Command) -> None:
        if command.text:
            said = await self._read(command.writer, {"text": command.text}, "")
            await self._ask_directly(command.writer, said.text, command.trigger_id)

    async def _shortcut(self, shortcut: Shortcut) -> None:
        writer = shortcut.writer
        said = await self._read(writer, shortcut.message, "")
        author = shortcut.message.get("user")
        if isinstance(author, str):
            known = await self.directory.person(writer.team, author)
            author = known.name if known else author
        before = f"{author or 'somebody'}: {said.text}".replace("\n", "\n  ")
        await self._ask_directly(writer, LOOK_AT_THIS, shortcut.trigger_id, before, said)

    async def _ask_directly(
        self, writer: Writer, text: str, key: str, before: str = "", said: Said | None = None
    ) -> None:
        """Begin a conversation in the direct messages with somebody."""
        person = await self.door.check(writer)
        place = f"{writer.team}:{await self._direct(writer)}"
        name = f"{place}:{key}"
        accepted = await self.accept(
            Trigger(
                channel="slack",
                keys=(f"slack:asked:{key}",),
                conversation=name,
                text=text,
                before=before,
                sender=writer.sender,
                name=person.name if person else "",
                # Where somebody asks says whom, although the answer comes elsewhere.
                agent=self.agents.get(writer.channel),
                authentic=True,
                attachments=await self._files(said, writer, name) if said else (),
                reply_to=_address(writer.team, place.partition(":")[2]),
            )
        )
        await self.memory.belongs(name, accepted.run_id)
        kept = await self.memory.current(place)
        await self.memory.move(place, kept, Current(name, 0).encode())

    async def _direct(self, writer: Writer) -> str:
        """The id of the direct messages with somebody; their own id if Slack does not say."""
        if writer.channel.startswith("D"):
            return writer.channel
        try:
            client = self.workspaces.client(writer.team, writer.organisation)
            async with asyncio.timeout(3):
                opened: Any = await client.conversations_open(users=writer.user)
            return str(opened["channel"]["id"])
        except (DeliveryError, SlackApiError, aiohttp.ClientError, OSError, KeyError) as error:
            log.info("slack did not open direct messages", error=repr(error))
            return writer.user


def _is_alert(message: SlackMessage) -> bool:
    """A bot's post that speaks to nobody."""
    return bool(message.writer.programs) and not (message.thread or message.mentions_us)


def _digest(message: SlackMessage) -> str:
    """Of what was written, as Slack tells it: names that are looked up may change."""
    text = str(message.event.get("text") or "")
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _answer_to(message: SlackMessage) -> Address:
    """Where the answer goes: into the thread, or, to what stands at the top of direct messages,
    below it."""
    writer = message.writer
    thread = message.thread or ("" if message.is_direct else message.ts)
    return _address(writer.team, writer.channel, thread, "" if thread == message.ts else message.ts)


def _address(team: str, channel: str, thread: str = "", message: str = "") -> Address:
    """`message` is the one that is answered, where the thread does not tell."""
    headers = {"team": team} | ({"message": message} if message else {})
    return Address(channel="slack", to=channel, thread=thread, headers=headers)
