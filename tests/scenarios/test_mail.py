"""What people write by mail arrives whole, by real SMTP, and so does the answer."""

from __future__ import annotations

import asyncio
import email.message
import email.policy
import email.utils
import io
import itertools
import json
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import docx
import pytest
import pytest_asyncio

from tests.channels.mail.mails import plain
from tests.scenarios.agents_in_charge import write_agents
from tests.scenarios.test_people import SPEND, obey
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import MailSink
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOSS = "boss@ponderd.localhost"
ANN, BOB, MAX = (f"{name}@ponderd.localhost" for name in ("ann", "bob", "max"))
ASSISTANT = "assistant@ponderd.localhost"


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    mail: MailSink
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def hand_in(self, content: bytes, sender: str, *to: str) -> str:
        """Send a mail as it stands; returns the server's answer."""

        def deliver() -> str:
            with smtplib.SMTP("127.0.0.1", self.stack.smtp_port) as smtp:
                smtp.ehlo()
                smtp.mail(sender)
                for address in to:
                    code, answer = smtp.rcpt(address)
                    if code != 250:
                        return f"{code} {answer.decode()}"
                code, answer = smtp.data(content)
                return f"{code} {answer.decode()}"

        return await asyncio.to_thread(deliver)

    async def write(self, text: str, *, sender: str = ANN, to: str = ASSISTANT, **more: str) -> str:
        """Write a mail and return its Message-ID."""
        message = written(text, sender=sender, to=to, **more)
        recipients = [address for _, address in email.utils.getaddresses([to])]
        assert (await self.hand_in(message.as_bytes(), sender, *recipients)).startswith("250")
        return str(message["Message-ID"])

    async def answer_to(self, message_id: str) -> EmailMessage:
        def find() -> EmailMessage | None:
            found = (m for m in self.mail.mails if str(m["In-Reply-To"]).strip() == message_id)
            return next(found, None)

        found = await eventually(find)
        assert found is not None
        return found

    async def run_of(self, answer: EmailMessage) -> dict[str, Any]:
        run_id = str(answer["Message-ID"])[1:].split(".")[0]
        return dict(await self.client.get(f"/runs/{run_id}"))

    def heard(self, words: str) -> str:
        """The conversation in the model call that holds `words` last."""
        prompts = [json.dumps(r["messages"], ensure_ascii=False) for r in self.model.requests]
        return [prompt for prompt in prompts if words in prompt][-1].replace("\\n", "\n")


def written(text: str, *, sender: str = ANN, to: str = ASSISTANT, **more: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Message-ID"] = email.utils.make_msgid(domain="client.test")
    for name, value in {"Subject": "A question", **more}.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def replied(answer: EmailMessage) -> dict[str, str]:
    return {
        "Subject": str(answer["Subject"]),
        "In_Reply_To": str(answer["Message-ID"]),
        "References": f"{answer['References']} {answer['Message-ID']}",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with ScriptedModel(obey) as model, MailSink() as mail:
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"))
        stack.environment = {
            **write_agents(tmp_path_factory.mktemp("agents")),
            "PONDERD_PUBLIC_URL": stack.url,
            "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail.port}",
            "PONDERD_MAIL_SIZE": "200000",
            "PONDERD_MAIL_REPLY_ALL": "true",
        }
        async with running(stack, workers=2) as client:
            yield World(client, stack, model, mail)


async def test_files_reach_the_agent_and_unread_ones_are_named_to_both(world: World) -> None:
    document = docx.Document()
    document.add_paragraph("The notice period is 30 days.")
    office = io.BytesIO()
    document.save(office)
    message = written("What do these say?")
    message.add_attachment("item,price\ncable,12\n", subtype="csv", filename="sums.csv")
    message.add_attachment(
        office.getvalue(),
        maintype="application",
        subtype="msword",
        filename="Vertrag für Köln.docx",
    )
    message.add_attachment(b"\0\1\2\3" * 100, maintype="application", subtype="x", filename="a.bin")
    content = message.as_bytes(policy=email.policy.SMTP)
    assert (await world.hand_in(content, ANN, ASSISTANT)).startswith("250")
    answer = await world.answer_to(str(message["Message-ID"]))
    prompt = world.heard("What do these say?")
    for words in ("sums.csv (text/csv", "cable,12", "Vertrag für Köln.docx", "30 days", "a.bin"):
        assert words in prompt
    assert "a.bin" in plain(answer)
    assert "sums.csv" not in plain(answer)


async def test_a_long_file_is_kept_whole_outside_the_log(world: World) -> None:
    lines = "\n".join(f"{number},{number * number}" for number in range(2_000))
    message = written("Which is the last line?")
    message.add_attachment(lines, subtype="csv", filename="squares.csv")
    await world.hand_in(message.as_bytes(policy=email.policy.SMTP), ANN, ASSISTANT)
    answer = await world.answer_to(str(message["Message-ID"]))
    run = await world.run_of(answer)
    [received, *_] = [e for e in await world.client.events(run["id"]) if "attachments" in e]
    [file] = received["attachments"]
    assert file["length"] == len(lines)
    assert file["text"] == lines[: len(file["text"])]
    assert "1999,3996001" not in json.dumps(received)
    [kept] = (world.stack.data_dir / "blobs").rglob(file["text_blob"].rpartition("/")[2])
    assert kept.read_text() == lines


async def test_a_mail_over_the_limit_is_refused_with_the_limit(world: World) -> None:
    answer = await world.hand_in(written("x" * 70 + "\n").as_bytes() * 3_000, ANN, ASSISTANT)
    assert answer.startswith("552")
    assert "PONDERD_MAIL_SIZE" in answer


async def test_those_who_were_addressed_join_a_thread_and_nobody_else(world: World) -> None:
    first = await world.write("The secret word is quince.", Cc=BOB)
    answer = await world.answer_to(first)
    assert BOB in str(answer["Cc"])
    run = await world.run_of(answer)

    joined = await world.write("What is the word?", sender=BOB, **replied(answer))
    assert (await world.run_of(await world.answer_to(joined)))["id"] == run["id"]
    assert "quince" in world.heard("What is the word?")

    stranger = await world.write("Tell me the word, too.", sender=MAX, **replied(answer))
    other = await world.run_of(await world.answer_to(stranger))
    assert other["id"] != run["id"]
    assert "quince" not in world.heard("Tell me the word, too.")


async def test_a_yes_to_all_is_one_yes_and_an_unclear_one_none(world: World) -> None:
    run_id = await world.client.launch("clerk", SPEND)
    asked = await eventually(
        lambda: next((m for m in world.mail.mails if m["To"] == BOSS and run_id in str(m)), None)
    )
    assert asked is not None
    to = f"{asked['Reply-To']}, clerk@ponderd.localhost"
    about = {"Subject": f"Re: {asked['Subject']}", "In_Reply_To": str(asked["Message-ID"])}

    unclear = await world.write("Yes, but not before Friday.", sender=BOSS, to=to, **about)
    told = await world.answer_to(unclear)
    assert "yes" in plain(told).lower()
    assert (await world.client.get(f"/runs/{run_id}"))["waiting_for"] == "approval"

    clerks = await world.client.get("/runs?agent=clerk")
    text = "Hi,\n\nyes, go ahead.\n\nBest regards\nThe Boss\n\nSent from my iPhone"
    await world.write(text, sender=BOSS, to=to, **about)
    view = await world.client.until(run_id)
    assert view["status"] == "COMPLETED"
    decided = [e for e in await world.client.events(run_id) if e["type"] == "approval_answered"]
    assert [event["approved"] for event in decided] == [True]
    # What a mail begins is stored before its 250: the clerk got it neither here nor in a new run.
    heard = [e for e in await world.client.events(run_id) if e["type"] == "message_received"]
    assert not any("go ahead" in event["text"] for event in heard)
    listed = await world.client.get("/runs?agent=clerk")
    assert [run["id"] for run in listed["runs"]] == [run["id"] for run in clerks["runs"]]


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        (b"Subject: =?gb2312?B?wO6GtLXEsai82w==?=", "Re: 李喆的报价"),
        (b"Subject: Angebot f\xc3\xbcr K\xc3\xb6ln", "Re: Angebot für Köln"),
        (b"Subject: Angebot f\xfcr K\xf6ln", "Re: Angebot für Köln"),
        (b"Subject: =?utf-8?Q?=ED=A0=80_=00_x?=", "Re: "),
        (b"Subject: AW: Frage", "AW: Frage"),
        (b"Subject: " + b"long " * 180, "Re: long"),
        (b"X-Nothing: here", "Re: "),
    ],
)
async def test_every_subject_that_can_arrive_is_answered(
    world: World, headers: bytes, subject: str
) -> None:
    own_id = f"<s{next(world.numbers)}@client.test>"
    content = (
        b"From: Ann <%s>\r\nTo: %s\r\nMessage-ID: %s\r\n%s\r\n\r\nhello\r\n"
        % (ANN.encode(), ASSISTANT.encode(), own_id.encode(), headers)
    )  # fmt: skip
    assert (await world.hand_in(content, ANN, ASSISTANT)).startswith("250")
    assert str((await world.answer_to(own_id))["Subject"]).startswith(subject)


async def test_an_answer_without_references_finds_its_run(world: World) -> None:
    answer = await world.answer_to(await world.write("Remember the pear."))
    run = await world.run_of(answer)
    again = await world.write("What should you remember?", to=str(answer["Reply-To"]))
    assert (await world.run_of(await world.answer_to(again)))["id"] == run["id"]
    assert "the pear" in world.heard("What should you remember?")


async def test_a_bounce_is_an_event_of_the_run(world: World) -> None:
    answer = await world.answer_to(await world.write("Is anybody there?"))
    run = await world.client.until((await world.run_of(answer))["id"], "COMPLETED")
    bounce = (
        "From: Mail Delivery System <MAILER-DAEMON@relay.test>\r\n"
        f"To: {ASSISTANT}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; "
        'boundary="b0"\r\n\r\n--b0\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n'
        "--b0\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.test\r\n"
        f"\r\nFinal-Recipient: rfc822; {ANN}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n--b0\r\n"
        f"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: {answer['Message-ID']}\r\n"
        f"To: {ANN}\r\n--b0--\r\n"
    )
    assert (await world.hand_in(bounce.encode(), "", ASSISTANT)).startswith("250")

    async def noted() -> list[str]:
        events = await world.client.events(run["id"])
        return [json.dumps(event) for event in events if event["type"] == "reply_bounced"]

    found: list[str] = await eventually(noted)
    assert "5.1.1" in found[0]
    assert (await world.client.get(f"/runs/{run['id']}"))["status"] == run["status"]


async def test_what_was_cut_can_be_read_again(world: World) -> None:
    answer = await world.answer_to(await world.write("Remember the plum."))
    history = "".join(f"> {line}\n" for line in plain(answer).splitlines())
    text = f"Thanks!\n\nOn Monday, assistant <{ASSISTANT}> wrote:\n{history}"
    again = await world.write(text, **replied(answer))
    run = await world.run_of(await world.answer_to(again))
    received = [e for e in await world.client.events(run["id"]) if e["type"] == "message_received"]
    assert received[-1]["text"] == "Thanks!"
    assert "the plum" in received[-1]["cut"]


async def test_postmaster_is_heard(world: World) -> None:
    content = written("Your server is slow.", sender="x@else.test").as_bytes()
    answer = await world.hand_in(content, "x@else.test", "postmaster@ponderd.localhost")
    assert answer.startswith("250")
    [kept] = (world.stack.data_dir / "postmaster").iterdir()
    assert b"Your server is slow." in kept.read_bytes()
