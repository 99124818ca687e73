"""What the tests of mail share: an installation, mails to it, and a client of its server."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import smtplib
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ponderd.channels.blobs import FolderBlobs
from ponderd.channels.documents import with_text
from ponderd.channels.errors import Refused, Unavailable
from ponderd.channels.mail.content import read_content
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.receive import Letter, MailRules, judge, trigger_of, verdict_of
from ponderd.channels.mail.server import MailServer
from ponderd.channels.mail.wire.header import read_header, split
from ponderd.channels.message import (
    Accepted,
    Address,
    Attachment,
    Bounce,
    Ignored,
    Reply,
    Trigger,
    Verdict,
)
from ponderd.channels.settings import ChannelSettings
from tests.services.eventually import PATIENCE

SECRET = "a secret of the signer"
NAMES = MailNames("agents.test", SECRET.encode())
RULES = MailRules(NAMES, allow=("@agents.test", "@team.test"), agents=("assistant", "triage"))
OWN_ID = NAMES.message_id("run1:7")
DATE = datetime(2026, 1, 1, tzinfo=UTC)


def mail(text: str = "hello", **headers: str) -> bytes:
    """A mail; `None` for a header leaves it out, and `_` in a name stands for `-`."""
    fields: dict[str, Any] = {
        "From": "Ann <ann@team.test>",
        "To": "assistant@agents.test",
        "Subject": "Question",
        "Message_ID": "<m1@team.test>",
        **headers,
    }
    head = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return ("\r\n".join(head) + "\r\n\r\n" + text.replace("\n", "\r\n")).encode()


def judged(
    content: bytes,
    mailbox: str = "assistant",
    *,
    mail_from: str = "ann@team.test",
    rules: MailRules,
) -> Letter | Ignored:
    header = read_header(split(content)[0])
    found = judge(
        header, mail_from=mail_from, mailboxes=[mailbox], rules=rules, new_id=lambda: "new"
    )
    return found if isinstance(found, Ignored) else found[0]


def parse(
    content: bytes,
    mailbox: str = "assistant",
    *,
    mail_from: str = "ann@team.test",
    rules: MailRules = RULES,
) -> Trigger | Verdict | Ignored:
    """What the server makes of one mail to one mailbox, but for proof, blobs and limits."""
    letter = judged(content, mailbox, mail_from=mail_from, rules=rules)
    if isinstance(letter, Ignored):
        return letter
    read = read_content(content, letter.thread)
    if read.automatic:
        return Ignored(reason=read.automatic)
    attachments = tuple(
        Attachment(
            name=file.name,
            content_type=file.content_type,
            size=len(file.content),
            text=file.text or "",
            length=len(file.text or ""),
        )
        for file in map(with_text, read.files)
    )
    return verdict_of(letter, read) or trigger_of(letter, read, attachments, rules)


def settings(data_dir: Path, relay: str | None = None, **fields: Any) -> ChannelSettings:
    return ChannelSettings(
        data_dir=data_dir,
        smtp_relay=relay,
        mail_domain="agents.test",
        mail_allow=("@team.test",),
        signing_secret=SecretStr(SECRET),
        **fields,
    )


def opened(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def reply(to: str = "ann@team.test", text: str = "Grüße", **headers: str) -> Reply:
    """An answer to the mail `<m1@team.test>`."""
    return Reply(
        key="run1:7",
        run_id="run1",
        agent="assistant",
        conversation="<m1@team.test>",
        kind="answer",
        text=text,
        to=Address(
            channel="email",
            to=to,
            thread="<m1@team.test>",
            headers={
                "subject": "Question",
                "references": "<root@team.test> <m1@team.test>",
                "from": "assistant@agents.test",
                **headers,
            },
        ),
    )


def plain(message: EmailMessage) -> str:
    """The plain text of an answer."""
    return _body(message, "plain")


def page(message: EmailMessage) -> str:
    """The HTML of an answer."""
    return _body(message, "html")


def _body(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content()).replace("\r\n", "\n")


class Inbox:
    """The daemon's side of the mail server."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.verdicts: list[Verdict] = []
        self.bounces: list[Bounce] = []
        self.refused: list[tuple[str, str]] = []
        self.ignored: list[tuple[str, str]] = []
        self.away = False
        self.refuses: Refused | None = None
        self.refuses_mail: Refused | None = None
        self.port = 0

    async def check(self, trigger: Trigger) -> None:
        if self.refuses_mail is not None:
            raise self.refuses_mail

    async def accept(self, trigger: Trigger) -> Accepted:
        if self.away:
            raise Unavailable("the state server cannot be used: 10.0.0.1:6379 is away")
        self.triggers.append(trigger)
        return Accepted(run_id="run1")

    async def answer(self, verdict: Verdict) -> str:
        if self.away:
            raise Unavailable("the state server cannot be used: 10.0.0.1:6379 is away")
        if self.refuses is not None:
            raise self.refuses
        self.verdicts.append(verdict)
        return "noted"

    async def bounced(self, bounce: Bounce) -> None:
        if self.away:
            raise Unavailable("the state server cannot be used: 10.0.0.1:6379 is away")
        self.bounces.append(bounce)

    @contextlib.asynccontextmanager
    async def serving(
        self,
        settings: ChannelSettings,
        agents: Callable[[], Collection[str]] = lambda: ["assistant", "triage"],
        **options: Any,
    ) -> AsyncIterator[Inbox]:
        server = MailServer(
            settings,
            self.accept,
            answer=self.answer,
            bounced=self.bounced,
            check=self.check,
            agents=agents,
            refused=lambda reason, detail: self.refused.append((reason, detail)),
            ignored=lambda reason, detail: self.ignored.append((reason, detail)),
            **{"blobs": FolderBlobs(settings.data_dir / "blobs"), **options},
        )
        self.port = await server.start("127.0.0.1", 0)
        try:
            yield self
        finally:
            await server.stop()

    async def client(self, talk: Callable[[smtplib.SMTP], Any]) -> Any:
        """What `talk` returns, said by a real client in a thread of its own."""

        def connect() -> Any:
            with smtplib.SMTP("127.0.0.1", self.port, "client.test", timeout=PATIENCE) as client:
                return talk(client)

        return await asyncio.to_thread(connect)

    async def send(
        self,
        content: bytes,
        *to: str,
        mail_from: str = "ann@team.test",
    ) -> str:
        """Hand a mail in and return the server's answer to it."""

        def talk(client: smtplib.SMTP) -> str:
            client.ehlo()
            client.mail(mail_from)
            for address in to or ("assistant@agents.test",):
                code, answer = client.rcpt(address)
                if code != 250:
                    return f"{code} {answer.decode()}"
            code, answer = client.data(content)
            return f"{code} {answer.decode()}"

        return str(await self.client(talk))
