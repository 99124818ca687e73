"""An answer on its way out: into the outbox, or over the relay."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from ponderd.channels.errors import DeliveryError
from ponderd.channels.mail.send import EmailChannel
from ponderd.channels.message import Trigger
from tests.channels.mail.mails import NAMES, OWN_ID, mail, opened, parse, plain, reply, settings


class TestOutbox:
    async def test_a_reply_is_a_readable_file(self, tmp_path: Path) -> None:
        receipt = await EmailChannel(settings(tmp_path)).send(reply(), resend=False)
        [file] = (tmp_path / "outbox").iterdir()
        assert file.name == f"{receipt.strip('<>')}.eml"
        assert "Grüße\n" in file.read_text(encoding="utf-8")
        message = opened(file.read_bytes())
        headers = {
            name: str(message[name]) for name in message if name not in ("Date", "Content-Type")
        }
        assert headers == {
            "From": "assistant <assistant@agents.test>",
            "To": "ann@team.test",
            "Reply-To": NAMES.reply_address("run1:7", "assistant"),
            "Subject": "Re: Question",
            "Message-ID": OWN_ID,
            "In-Reply-To": "<m1@team.test>",
            "References": "<root@team.test> <m1@team.test>",
            "Auto-Submitted": "auto-replied",
            "X-Auto-Response-Suppress": "OOF, AutoReply",
            "MIME-Version": "1.0",
        }
        assert [part.get_content_type() for part in message.walk()] == [
            "multipart/alternative",
            "text/plain",
            "text/html",
        ]
        assert message["Date"].datetime.tzinfo is not None

    async def test_sent_again_it_is_the_same_file(self, tmp_path: Path) -> None:
        channel = EmailChannel(settings(tmp_path))
        assert await channel.send(reply(), resend=False) == await channel.send(reply(), resend=True)
        assert len(list((tmp_path / "outbox").iterdir())) == 1

    async def test_the_answer_to_our_reply_is_recognised(self, tmp_path: Path) -> None:
        await EmailChannel(settings(tmp_path)).send(reply(), resend=False)
        [file] = (tmp_path / "outbox").iterdir()
        ours = opened(file.read_bytes())
        answer = parse(
            mail(
                References=f"{ours['References']} {ours['Message-ID']}",
                In_Reply_To=str(ours["Message-ID"]),
            ),
        )
        assert isinstance(answer, Trigger)
        assert answer.authentic
        assert answer.conversation == "<root@team.test>"

    async def test_an_outbox_that_cannot_be_written_is_worth_another_try(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "outbox").write_text("in the way")
        with pytest.raises(DeliveryError) as failed:
            await EmailChannel(settings(tmp_path)).send(reply(), resend=False)
        assert not failed.value.permanent

    @pytest.mark.parametrize(
        "to", ["", "ann", "ann@team.test\r\nBcc: eve@evil.test", "ann@team.test, eve@evil.test"]
    )
    async def test_an_address_that_is_none_is_refused_for_good(
        self, to: str, tmp_path: Path
    ) -> None:
        with pytest.raises(DeliveryError) as failed:
            await EmailChannel(settings(tmp_path)).send(reply(to), resend=False)
        assert failed.value.permanent
        assert not (tmp_path / "outbox").exists()


class Relay:
    """Somebody's mail server: keeps what it gets, answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.to_rcpt = "250 OK"
        self.to_data = "250 OK"
        self.address = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        return self.to_data


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(relay, hostname="relay.test", loop=loop), "127.0.0.1", 0
    )
    relay.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield relay
    server.close()
    await server.wait_closed()


class TestRelay:
    async def test_a_reply_is_handed_over(self, relay: Relay, tmp_path: Path) -> None:
        channel = EmailChannel(settings(tmp_path, relay.address))
        text = "Grüße\n.\nMAIL FROM:<eve@evil.test>\n" + "x" * 2_000
        receipt = await channel.send(reply(text=text), resend=False)
        [envelope] = relay.got
        assert (envelope.mail_from, envelope.rcpt_tos) == (
            "assistant@agents.test",
            ["ann@team.test"],
        )
        assert isinstance(envelope.content, bytes)
        message = opened(envelope.content)
        assert message["Message-ID"] == receipt == OWN_ID
        assert plain(message) == text + "\n"

    @pytest.mark.parametrize(
        ("to_rcpt", "to_data", "permanent"),
        [
            ("550 no such user", "250 OK", True),
            ("451 later", "250 OK", False),
            ("250 OK", "554 spam", True),
            ("250 OK", "452 full", False),
        ],
    )
    async def test_the_answer_says_whether_to_try_again(
        self, to_rcpt: str, to_data: str, permanent: bool, relay: Relay, tmp_path: Path
    ) -> None:
        relay.to_rcpt, relay.to_data = to_rcpt, to_data
        with pytest.raises(DeliveryError) as failed:
            await EmailChannel(settings(tmp_path, relay.address)).send(reply(), resend=False)
        assert failed.value.permanent == permanent

    async def test_a_relay_that_is_away_is_worth_another_try(self, tmp_path: Path) -> None:
        with pytest.raises(DeliveryError) as failed:
            await EmailChannel(settings(tmp_path, "127.0.0.1:1")).send(reply(), resend=False)
        assert not failed.value.permanent
