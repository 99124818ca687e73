"""Mails with files on a whole ponderd: what the model reads, and what the writer is told."""

from __future__ import annotations

import asyncio
import json
import re
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import pytest
import pytest_asyncio

from tests.channels.documents import pdf, xlsx
from tests.daemon.commands.commands import Ponderd, ponderd
from tests.services.eventually import eventually
from tests.services.model_server import Line, ScriptedModel
from tests.services.sinks import MailSink
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

__all__ = ["ponderd"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOMAIN = "ponderd.localhost"
LONG = "".join(f"line {number} of the log\n" for number in range(2_000)) + "the last word is zebra"


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    sink: MailSink

    async def write(self, text: str, *files: tuple[str, str, bytes]) -> EmailMessage:
        """Send a mail with files, and return its answer."""
        message = EmailMessage()
        message["From"], message["To"] = f"Ann <ann@{DOMAIN}>", f"assistant@{DOMAIN}"
        message["Subject"], message["Message-ID"] = "Files", make_msgid(domain=DOMAIN)
        message.set_content(text)
        for name, kind, content in files:
            main, _, sub = kind.partition("/")
            message.add_attachment(content, maintype=main, subtype=sub, filename=name)

        def deliver() -> None:
            with smtplib.SMTP("127.0.0.1", self.stack.smtp_port) as smtp:
                smtp.send_message(message)

        def answers() -> list[EmailMessage]:
            own = message["Message-ID"]
            return [mail for mail in self.sink.mails if mail["In-Reply-To"].strip() == own]

        await asyncio.to_thread(deliver)
        await eventually(lambda: bool(answers()))
        return answers()[0]

    def asked(self) -> list[str]:
        """What the model was asked, newest last: the last turn of each request."""
        return [request["messages"][-1]["content"] for request in self.model.requests]


def script(body: dict[str, Any]) -> Line:
    said = body["messages"][-1]["content"]
    if "[tool] read_attachment" in said:
        return {"action": "reply", "text": said.partition("[asked]")[0]}
    if "read on" in said and (head := re.search(r"the first (\d+) of (\d+) characters", said)):
        return {"action": "read_attachment", "file": "1", "begin": int(head[2]) - 40}
    return {"action": "reply", "text": "done"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with ScriptedModel(script) as model, MailSink() as sink:
        stack = Stack(
            redis_server.url,
            model.url,
            tmp_path_factory.mktemp("data"),
            {"PONDERD_SMTP_RELAY": f"127.0.0.1:{sink.port}"},
        )
        async with running(stack) as client:
            yield World(client, stack, model, sink)


async def test_text_of_every_kind_reaches_the_model(world: World) -> None:
    offer = docx.Document()
    offer.add_paragraph("Ten lamps")
    saved = BytesIO()
    offer.save(saved)
    sheet = xlsx({"Q1": '<row r="1"><c r="A1"><v>12</v></c><c r="B1"><v>500</v></c></row>'})
    await world.write(
        "See the files.",
        ("order.csv", "text/csv", b"item,qty\r\ncable,12\r\n"),
        ("offer.docx", "application/octet-stream", saved.getvalue()),
        ("plan.pdf", "application/pdf", pdf([(72, 700, "Room 7")])),
        ("sums.xlsx", "application/vnd.ms-excel", sheet),
    )
    asked = world.asked()[-1]
    assert "\n[attached: order.csv (text/csv, 20 bytes)]\n```\nitem,qty\ncable,12\n```\n" in asked
    for said in ("\n```\nTen lamps\n```", "\n```\nRoom 7\n```", "12,500\n```"):
        assert said in asked


async def test_what_cannot_be_read_is_told_to_the_model_and_the_writer(world: World) -> None:
    answer = await world.write(
        "Here.",
        ("photo.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(20_000)),
        ("scan.pdf", "application/pdf", pdf([])),
    )
    asked = world.asked()[-1]
    assert "[file 1 is not read: pictures cannot be read yet]" in asked
    assert "[file 2 is not read: a scan without text]" in asked
    body = answer.get_body(("plain",))
    assert body is not None
    told = body.get_content()
    assert "photo.png" in told and "scan.pdf" in told and "a scan without text" in told


async def test_a_long_file_is_read_on_and_never_in_the_log(
    world: World, ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await world.write(
        "What is the last word? read on", ("a.log", "text/plain", LONG.encode())
    )
    body = answer.get_body(("plain",))
    assert body is not None
    assert "the last word is zebra" in body.get_content()
    for name, value in world.stack.settings.items():
        monkeypatch.setenv(name, value)
    newest = ponderd("runs", "list", "--limit", "1", "--json").json["id"]
    events = ponderd("runs", "show", newest, "--events", "--json").json["events"]
    [received] = [event for event in events if event["type"] == "message_received"]
    [file] = received["attachments"]
    assert (file["name"], file["size"], file["length"]) == ("a.log", len(LONG), len(LONG))
    assert len(json.dumps(events)) < 30_000 < len(LONG)
    blobs: Path = world.stack.data_dir / "blobs"
    assert (blobs / file["blob"][:2] / file["blob"]).read_bytes() == LONG.encode()
    assert "file a.log (text/plain" in ponderd("runs", "show", newest, "--events").out
