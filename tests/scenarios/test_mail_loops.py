"""Programs that answer our mail, and mail that comes back, on a whole ponderd."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

import aiohttp
import pytest
import pytest_asyncio

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import MailSink
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOMAIN = "ponderd.localhost"
ROUNDS = 12


@dataclass
class World:
    client: Client
    stack: Stack
    mail: MailSink

    async def send(self, message: EmailMessage | str, mail_from: str = f"ann@{DOMAIN}") -> str:
        """Hand a mail in; returns "" or why it is refused."""

        def deliver() -> str:
            with smtplib.SMTP("127.0.0.1", self.stack.smtp_port) as smtp:
                try:
                    smtp.sendmail(mail_from, [f"assistant@{DOMAIN}"], str(message))
                except smtplib.SMTPDataError as error:
                    return f"{error.smtp_code} {error.smtp_error!r}"
                return ""

        return await asyncio.to_thread(deliver)

    async def answer_to(self, message: EmailMessage) -> EmailMessage:
        def found() -> Iterator[EmailMessage]:
            given = message["Message-ID"]
            return (mail for mail in self.mail.mails if mail["In-Reply-To"].strip() == given)

        await eventually(lambda: any(True for _ in found()))
        return next(found())

    async def exchange(self, dress: Callable[[EmailMessage, int], EmailMessage]) -> tuple[int, str]:
        """Write once, then answer each answer at once. Returns how many of these were answered,
        and why the next was refused."""
        first = mail("Please do this for me.")
        assert await self.send(first) == ""
        answer = await self.answer_to(first)
        for number in range(ROUNDS):
            message = dress(answer, number)
            if refusal := await self.send(message):
                return number, refusal
            answer = await self.answer_to(message)
        return ROUNDS, ""


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
            yield World(client, stack, sink)


def mail(text: str, subject: str = "A question", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"Ann <ann@{DOMAIN}>"
    message["To"] = f"assistant@{DOMAIN}"
    message["Subject"] = subject
    message["Message-ID"] = make_msgid(domain="team.test")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def reply(answer: EmailMessage, text: str) -> EmailMessage:
    return mail(
        text,
        str(answer["Subject"]),
        In_Reply_To=answer["Message-ID"],
        References=f"{answer['References']} {answer['Message-ID']}",
    )


def constant(answer: EmailMessage, number: int) -> EmailMessage:
    return reply(answer, "I will read your message when I am back.")


def counting(answer: EmailMessage, number: int) -> EmailMessage:
    return reply(answer, f"We got your message. Your ticket has the number {4711 + number}.")


def without_references(answer: EmailMessage, number: int) -> EmailMessage:
    text = f"Thank you for your message. It is number {number} in our queue."
    return mail(text, f"We received it [{number}]")


@pytest.mark.parametrize("dress", [constant, counting, without_references])
async def test_a_program_that_knows_no_rules_gets_five_answers(
    world: World, dress: Callable[[EmailMessage, int], EmailMessage]
) -> None:
    answered, refusal = await world.exchange(dress)
    assert answered + 1 == 5  # with the answer that set it off
    assert refusal.startswith("550 ")
    assert "write again later" in refusal
    assert "a loop or a flood" in world.stack.log("serve")


TOPICS = "rent heating light lift garden roof door key phone desk chair window".split()


async def test_a_person_gets_an_answer_to_each_of_twelve_mails(world: World) -> None:
    def person(answer: EmailMessage, number: int) -> EmailMessage:
        return reply(answer, f"Please tell me about the {TOPICS[number]} of our office.")

    assert await world.exchange(person) == (ROUNDS, "")


def delivery_report(answer: EmailMessage) -> str:
    return f"""From: Mail Delivery System <mailer-daemon@team.test>
To: assistant@{DOMAIN}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.team.test

Final-Recipient: rfc822; ann@{DOMAIN}
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 the mailbox is full

--b
Content-Type: text/rfc822-headers

Message-ID: {answer["Message-ID"].strip()}
--b--
"""


async def test_an_answer_that_comes_back_stands_in_its_run(world: World) -> None:
    first = mail("Hello there, is it open today?")
    await world.send(first)
    answer = await world.answer_to(first)
    run_id = str(answer["Message-ID"]).strip(" <").partition(".")[0]
    await world.client.until(run_id, "COMPLETED")
    mails = len(world.mail.mails)
    for _ in range(2):
        assert await world.send(delivery_report(answer), "") == ""
    view = await world.client.until(run_id, "COMPLETED")
    assert view["error"] == f"did not reach ann@{DOMAIN}: 552 5.2.2 the mailbox is full"
    [event] = [
        found for found in await world.client.events(run_id) if found["type"] == "reply_bounced"
    ]
    assert (event["recipient"], event["permanent"]) == (f"ann@{DOMAIN}", True)
    assert "our mail did not arrive" in world.stack.log("serve")
    async with (
        aiohttp.ClientSession(world.stack.url) as session,
        session.get("/metrics") as response,
    ):
        assert 'ponderd_mail_bounces_total{outcome="bounced"} 1.0' in await response.text()
    assert len(world.mail.mails) == mails


async def test_the_report_of_a_stranger_is_taken_and_changes_nothing(world: World) -> None:
    first = mail("Hello there, is it open tomorrow?")
    await world.send(first)
    answer = await world.answer_to(first)
    run_id = str(answer["Message-ID"]).strip(" <").partition(".")[0]
    forged = delivery_report(answer).replace(f"{run_id}.", f"{run_id}.1")
    assert await world.send(forged, "") == ""
    types = [event["type"] for event in await world.client.events(run_id)]
    assert "reply_bounced" not in types
