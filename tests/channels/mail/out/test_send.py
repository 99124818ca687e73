"""An answer on its way out: into the outbox, or over the relay."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from pydantic import SecretStr

from ponderd.channels.errors import DeliveryError
from ponderd.channels.mail.out.relay import is_loopback
from ponderd.channels.mail.out.send import EmailChannel
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

    async def test_name_and_signature_are_settings(self, tmp_path: Path) -> None:
        fields = {"mail_from_name": "{agent} at Example", "mail_signature": r"Example\nGmbH"}
        await EmailChannel(settings(tmp_path, **fields)).send(reply(), resend=False)
        [file] = (tmp_path / "outbox").iterdir()
        message = opened(file.read_bytes())
        assert message["From"] == "assistant at Example <assistant@agents.test>"
        assert plain(message) == "Grüße\n\n-- \nExample\nGmbH\n"

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
        self.sessions: list[Session] = []
        self.to_mail = "250 OK"
        self.to_rcpt: dict[str, str] = {}
        self.to_data = "250 OK"
        self.address = ""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.to_mail

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.to_rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        self.sessions.append(session)
        return self.to_data

    def only(self) -> EmailMessage:
        """The only mail that came."""
        [envelope] = self.got
        assert isinstance(envelope.content, bytes)
        return opened(envelope.content)

    @contextlib.asynccontextmanager
    async def listening(
        self, *, implicit_tls: ssl.SSLContext | None = None, **options: Any
    ) -> AsyncIterator[Relay]:
        loop = asyncio.get_running_loop()
        connections: list[SMTP] = []

        def connection() -> SMTP:
            connections.append(SMTP(self, hostname="relay.test", loop=loop, **options))
            return connections[-1]

        server = await loop.create_server(connection, "127.0.0.1", 0, ssl=implicit_tls)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for one in connections:
                for transport in (one.transport, one._original_transport):
                    if isinstance(transport, asyncio.Transport):
                        transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0)  # the sockets close in the next round of the loop


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay().listening() as relay:
        yield relay


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
        assert relay.only()["Message-ID"] == receipt == OWN_ID
        assert plain(relay.only()) == text + "\n"

    @pytest.mark.parametrize(
        ("to_mail", "to_rcpt", "to_data", "permanent"),
        [
            ("250 OK", "550 no such user", "250 OK", True),
            ("250 OK", "451 later", "250 OK", False),
            ("250 OK", "250 OK", "554 spam", True),
            ("250 OK", "250 OK", "452 full", False),
            ("552 too big", "250 OK", "250 OK", True),
            # What the operator can mend.
            ("550 not your domain", "250 OK", "250 OK", False),
            ("530 5.7.0 authentication required", "250 OK", "250 OK", False),
            ("250 OK", "530 5.7.0 must issue STARTTLS first", "250 OK", False),
        ],
    )
    async def test_the_answer_says_whether_to_try_again(
        self,
        to_mail: str,
        to_rcpt: str,
        to_data: str,
        permanent: bool,
        relay: Relay,
        tmp_path: Path,
    ) -> None:
        relay.to_mail, relay.to_rcpt["ann@team.test"], relay.to_data = to_mail, to_rcpt, to_data
        with pytest.raises(DeliveryError) as failed:
            await EmailChannel(settings(tmp_path, relay.address)).send(reply(), resend=False)
        assert failed.value.permanent == permanent
        refusal = next(one for one in (to_mail, to_rcpt, to_data) if not one.startswith("250"))
        assert str(failed.value) == f"relay answered {refusal}"

    @pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1"])
    async def test_a_relay_that_is_away_is_worth_another_try(
        self, address: str, tmp_path: Path
    ) -> None:
        with pytest.raises(DeliveryError, match=r"[Ee]rror connecting to") as failed:
            await EmailChannel(settings(tmp_path, address)).send(reply(), resend=False)
        assert not failed.value.permanent

    async def test_the_others_get_their_copy(self, relay: Relay, tmp_path: Path) -> None:
        relay.to_rcpt["gone@team.test"] = "550 no such user"
        answer = reply(cc="bob@team.test, gone@team.test, cleo@team.test")
        await EmailChannel(settings(tmp_path, relay.address)).send(answer, resend=False)
        [envelope] = relay.got
        assert envelope.rcpt_tos == ["ann@team.test", "bob@team.test", "cleo@team.test"]
        assert relay.only()["Cc"] == "bob@team.test, gone@team.test, cleo@team.test"

    async def test_nobody_gets_a_copy_of_what_its_recipient_does_not(
        self, relay: Relay, tmp_path: Path
    ) -> None:
        relay.to_rcpt["ann@team.test"] = "451 later"
        channel = EmailChannel(settings(tmp_path, relay.address))
        with pytest.raises(DeliveryError):
            await channel.send(reply(cc="bob@team.test"), resend=False)
        assert relay.got == []

    async def test_a_quoted_mailbox_is_written_to(self, relay: Relay, tmp_path: Path) -> None:
        channel = EmailChannel(settings(tmp_path, relay.address))
        await channel.send(reply('"ann lee"@team.test'), resend=False)
        assert relay.got[0].rcpt_tos == ['"ann lee"@team.test']


class TestOtherLetters:
    async def test_they_go_over_a_relay_that_knows_them(self, tmp_path: Path) -> None:
        async with Relay().listening(enable_SMTPUTF8=True) as relay:
            channel = EmailChannel(settings(tmp_path, relay.address))
            await channel.send(reply("jürgen@bücher.test"), resend=False)
        assert relay.got[0].rcpt_tos == ["jürgen@xn--bcher-kva.test"]
        assert "SMTPUTF8" in relay.got[0].mail_options

    async def test_another_relay_is_the_operators_to_mend(
        self, relay: Relay, tmp_path: Path
    ) -> None:
        channel = EmailChannel(settings(tmp_path, relay.address))
        with pytest.raises(DeliveryError, match="offers no SMTPUTF8, which jürgen@team") as failed:
            await channel.send(reply("jürgen@team.test"), resend=False)
        assert not failed.value.permanent and relay.got == []

    async def test_a_copy_that_cannot_be_sent_stops_no_answer(
        self, relay: Relay, tmp_path: Path
    ) -> None:
        channel = EmailChannel(settings(tmp_path, relay.address))
        await channel.send(reply(cc="øre@team.test,bob@team.test"), resend=False)
        assert relay.got[0].rcpt_tos == ["ann@team.test", "bob@team.test"]
        assert relay.only()["Cc"] == "bob@team.test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for the relay, with its key in the same file."""
    file = tmp_path_factory.mktemp("tls") / "relay.pem"
    command = (
        "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 "
        "-subj /CN=relay.test -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", file.with_suffix(".key"), "-out", file],
        check=True,
        capture_output=True,
    )
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


class TestTls:
    async def send(self, tmp_path: Path, relay: Relay, **fields: Any) -> None:
        await EmailChannel(settings(tmp_path, relay.address, **fields)).send(reply(), resend=False)

    async def test_a_certificate_that_is_known_is_good(
        self,
        tls: ssl.SSLContext,
        certificate: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with Relay().listening(tls_context=tls) as relay:
            await self.send(tmp_path, relay, smtp_relay_tls="verify")
        assert relay.sessions[0].ssl is not None

    async def test_on_its_own_port_tls_begins_at_once(
        self,
        tls: ssl.SSLContext,
        certificate: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with Relay().listening(implicit_tls=tls) as relay:
            monkeypatch.setattr(
                "ponderd.channels.mail.out.relay.SUBMISSIONS", int(relay.address.partition(":")[2])
            )
            await self.send(tmp_path, relay, smtp_relay_tls="verify")
        assert relay.only()["To"] == "ann@team.test"

    async def test_off_the_machine_it_must_be_good(
        self, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.channels.mail.out.relay.is_loopback", lambda host: False)
        async with Relay().listening(tls_context=tls) as relay:
            with pytest.raises(DeliveryError, match="certificate") as failed:
                await self.send(tmp_path, relay)
        assert not failed.value.permanent and relay.got == []

    async def test_off_the_machine_there_must_be_one(
        self, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.channels.mail.out.relay.is_loopback", lambda host: False)
        with pytest.raises(DeliveryError, match="PONDERD_SMTP_RELAY_TLS=off") as failed:
            await self.send(tmp_path, relay)
        assert not failed.value.permanent and relay.got == []
        await self.send(tmp_path, relay, smtp_relay_tls="off")
        await self.send(tmp_path, relay, smtp_relay_tls="opportunistic")
        assert len(relay.got) == 2

    @pytest.mark.parametrize(("mode", "secure"), [("auto", True), ("off", False)])
    async def test_on_the_machine_any_will_do(
        self, mode: str, secure: bool, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        async with Relay().listening(tls_context=tls) as relay:
            await self.send(tmp_path, relay, smtp_relay_tls=mode)
        assert (relay.sessions[0].ssl is not None) == secure

    @pytest.mark.parametrize(
        ("host", "near"),
        [
            ("localhost", True),
            ("127.0.0.2", True),
            ("::1", True),
            ("192.0.2.1", False),
            ("localhost.team.test", False),
            ("", False),
        ],
    )
    def test_what_is_on_the_machine(self, host: str, near: bool) -> None:
        assert is_loopback(host) == near


class TestLogin:
    LOGIN: ClassVar = {"smtp_relay_user": "ponderd", "smtp_relay_password": SecretStr("s3cret")}

    @staticmethod
    def checks(*args: Any) -> AuthResult:
        found = args[-1]
        known = (found.login, found.password) == (b"ponderd", b"s3cret")
        return AuthResult(success=known, handled=False)

    async def test_who_has_the_password_may_send(self, tls: ssl.SSLContext, tmp_path: Path) -> None:
        options = {"tls_context": tls, "authenticator": self.checks, "auth_required": True}
        async with Relay().listening(**options) as relay:
            channel = EmailChannel(settings(tmp_path, relay.address, **self.LOGIN))
            await channel.send(reply(), resend=False)
        assert relay.sessions[0].authenticated

    @pytest.mark.parametrize("password", [SecretStr("wrong"), None])
    async def test_a_wrong_password_is_the_operators_to_mend(
        self, password: SecretStr | None, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        login = {**self.LOGIN, "smtp_relay_password": password}
        async with Relay().listening(tls_context=tls, authenticator=self.checks) as relay:
            with pytest.raises(DeliveryError, match="535") as failed:
                channel = EmailChannel(settings(tmp_path, relay.address, **login))
                await channel.send(reply(), resend=False)
        assert not failed.value.permanent and relay.got == []

    async def test_so_is_a_relay_that_takes_none(self, relay: Relay, tmp_path: Path) -> None:
        with pytest.raises(DeliveryError, match="AUTH") as failed:
            channel = EmailChannel(settings(tmp_path, relay.address, **self.LOGIN))
            await channel.send(reply(), resend=False)
        assert not failed.value.permanent

    async def test_a_password_travels_only_over_tls(
        self, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.channels.mail.out.relay.is_loopback", lambda host: False)
        fields = {**self.LOGIN, "smtp_relay_tls": "opportunistic"}
        with pytest.raises(DeliveryError, match="the password stays here") as failed:
            channel = EmailChannel(settings(tmp_path, relay.address, **fields))
            await channel.send(reply(), resend=False)
        assert not failed.value.permanent
