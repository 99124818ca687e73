from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import smtplib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.blobs import FolderBlobs
from ponderd.channels.errors import TooMany
from ponderd.channels.mail import postmaster, session
from ponderd.channels.mail.server import MailServer
from ponderd.channels.mail.session import Gate
from tests.channels.mail.mails import NAMES, Inbox, mail, settings
from tests.services.eventually import PATIENCE, eventually


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    async with inbox.serving(settings(tmp_path)):
        yield inbox


class TestMailServer:
    async def test_a_mail_is_stored_before_it_is_acknowledged(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail())).startswith("250 ")
        [trigger] = inbox.triggers
        assert trigger.agent == "assistant"
        assert trigger.sender == "ann@team.test"

    async def test_a_mail_to_two_agents_is_two_triggers(self, inbox: Inbox) -> None:
        await inbox.send(mail(), "assistant@agents.test", "Triage@AGENTS.test")
        assert [trigger.agent for trigger in inbox.triggers] == ["assistant", "triage"]
        assert len({trigger.keys for trigger in inbox.triggers}) == 2

    async def test_a_recipient_named_twice_counts_once(self, inbox: Inbox) -> None:
        await inbox.send(mail(), "assistant@agents.test", "assistant@agents.test")
        assert len(inbox.triggers) == 1

    @pytest.mark.parametrize(
        ("to", "tag"),
        [
            (["assistant@agents.test", "Assistant@agents.test"], ""),
            (["assistant@agents.test", "assistant+x@agents.test"], "x"),
            (["assistant+x@agents.test", "ASSISTANT+Y@agents.test", "assistant@agents.test"], "x"),
            (["ops@agents.test", "assistant@agents.test", "ops+x@agents.test"], "x"),
        ],
    )
    async def test_the_mailboxes_of_one_agent_are_one_recipient(
        self, tmp_path: Path, to: list[str], tag: str
    ) -> None:
        inbox, content = Inbox(), mail(Message_ID="<1@client.test>")
        names = ["assistant", "ops"]
        async with inbox.serving(
            settings(tmp_path), agents=lambda: names, aliases={"ops": "assistant"}
        ):
            await inbox.send(content, *to)
            assert [trigger.tag for trigger in inbox.triggers] == [tag]
            for address in to:  # as some servers do it
                await inbox.send(content, address)
        assert len({trigger.keys for trigger in inbox.triggers}) == 1

    async def test_a_yes_to_all_is_one_yes_even_if_each_mailbox_gets_its_own_copy(
        self, inbox: Inbox
    ) -> None:
        approval = NAMES.approve_address("run1:2", "ann@team.test")
        yes = mail("Yes.", To=f"{approval}, assistant@agents.test")
        for address in ("assistant@agents.test", approval):
            assert (await inbox.send(yes, address)).startswith("250")
        assert {verdict.inquiry for verdict in inbox.verdicts} == {"run1:2"}
        assert inbox.triggers == []
        of_another = NAMES.approve_address("run1:2", "bob@team.test")
        await inbox.send(mail("Yes.", To=f"{of_another}, assistant@agents.test"))
        assert [trigger.agent for trigger in inbox.triggers] == ["assistant"]
        assert len(inbox.verdicts) == 2

    @pytest.mark.parametrize(
        ("known", "headers"),
        [
            (True, {"Date": "Mon, 2 Mar 2026 10:00:00 +0100"}),
            (True, {"Received": "from a.test by b.test; Mon, 2 Mar 2026 10:00:00 +0100"}),
            (False, {}),
        ],
    )
    async def test_a_redelivery_is_known_without_a_message_id(
        self, inbox: Inbox, known: bool, headers: dict[str, str]
    ) -> None:
        for body in ("hello", "hello", "something else"):
            await inbox.send(mail(body, Message_ID=None, **headers))
        first, again, other = ((found.keys, found.conversation) for found in inbox.triggers)
        assert (first == again) is known
        assert bool(first[0]) is known
        assert first[1] != other[1]

    async def test_of_those_the_one_that_an_answer_goes_to_counts(self, inbox: Inbox) -> None:
        answering = NAMES.reply_address("run1:2", "assistant")
        assert answering
        await inbox.send(mail(), "assistant@agents.test", "assistant+x@agents.test", answering)
        assert [(found.run_id, found.tag) for found in inbox.triggers] == [("run1", "")]

    async def test_an_unknown_agent_is_refused_with_the_known_ones(self, inbox: Inbox) -> None:
        answer = await inbox.send(mail(), "nobody@agents.test")
        assert answer == "550 5.1.1 no agent nobody; the agents are: assistant, triage"

    async def test_another_domain_is_not_relayed_to(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail(), "bob@team.test")).startswith("550 5.7.1 relay denied")

    async def test_a_stranger_is_refused(self, inbox: Inbox) -> None:
        answer = await inbox.send(mail(), mail_from="eve@evil.test")
        assert answer.startswith("550 5.7.1 eve@evil.test")
        assert inbox.triggers == []

    async def test_each_refusal_is_told_once_and_why(self, inbox: Inbox) -> None:
        await inbox.send(mail(), "bob@team.test")
        await inbox.send(mail(), "nobody@agents.test", mail_from="eve@evil.test")
        await inbox.send(mail("secret words " + "x" * 1_001))
        await inbox.send(mail("secret words", From="eve@evil.test"))
        await inbox.send(mail("secret words", From=""))
        inbox.refuses_mail = TooMany("write again later")
        await inbox.send(mail("secret words"))
        inbox.refuses_mail, inbox.away = None, True
        assert "10.0.0.1" not in await inbox.send(mail("secret words"))
        kinds = [reason for reason, _ in inbox.refused]
        assert kinds == [
            "recipient", "recipient", "smtp_500", "forbidden", "malformed", "too_many",
            "unavailable",
        ]  # fmt: skip
        details = [detail for _, detail in inbox.refused]
        assert details[0].startswith("from ann@team.test: to bob@team.test: 550 5.7.1 relay denied")
        assert "from eve@evil.test: to nobody@agents.test: 550 5.1.1 no such" in details[1]
        assert details[2] == "from ann@team.test: 500 5.6.0 a line is longer than 1000 bytes"
        assert "10.0.0.1" in details[6]  # for the operator alone
        assert "secret words" not in str(details)
        assert inbox.ignored == []

    async def test_so_is_a_command_that_cannot_be_obeyed(self, inbox: Inbox) -> None:
        def talk(client: smtplib.SMTP) -> None:
            client.helo()
            client.docmd("MAIL", "FROM:<ann@team.test> SIZE=99999999999")
            client.docmd("MAIL", "FROM:<<>")
            client.docmd("BDAT", "5 LAST")

        await inbox.client(talk)
        assert [reason for reason, _ in inbox.refused] == ["smtp_552", "smtp_553", "smtp_500"]

    async def test_another_mail_under_a_message_id_is_told_apart(self, inbox: Inbox) -> None:
        footer = "\n_______________________________________________\nteam mailing list\n"
        for text in ("Is it up?", "Is it up?\n", f"Is it up?\n{footer}", "Is it down?"):
            assert (await inbox.send(mail(text))).startswith("250 ")
        first, again, by_a_list, other = (trigger.digest for trigger in inbox.triggers)
        assert first == again != other
        assert by_a_list == first

    async def test_what_a_machine_wrote_is_ignored_with_its_reason(self, inbox: Inbox) -> None:
        await inbox.send(mail("I am away", **{"Auto-Submitted": "auto-replied"}))
        await inbox.send(mail(), mail_from="")
        assert [reason for reason, _ in inbox.ignored] == ["automatic"] * 2
        assert inbox.ignored[0][1].startswith("from ann@team.test: ")
        assert inbox.refused == [] and inbox.triggers == []

    async def test_a_mail_without_a_sender_is_refused(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail(From=""))).startswith("554 5.6.0")

    async def test_a_bounce_is_taken_and_ignored(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail(), mail_from="")).startswith("250 ")
        assert inbox.triggers == []

    async def test_what_is_part_of_a_loop_is_refused_whole(self, inbox: Inbox) -> None:
        inbox.refuses_mail = TooMany("more than 4 mails say the same; write again later")
        answer = await inbox.send(mail(), "assistant@agents.test", "triage@agents.test")
        assert answer == "550 5.7.1 more than 4 mails say the same; write again later"
        assert inbox.triggers == []

    async def test_a_store_that_is_away_means_later(self, inbox: Inbox) -> None:
        inbox.away = True
        answer = await inbox.send(mail())
        assert answer == "451 4.3.0 the state server cannot be used, try again later"
        inbox.away = False
        assert (await inbox.send(mail())).startswith("250 ")

    async def test_a_mail_hidden_behind_bare_line_feeds_stays_one_mail(self, inbox: Inbox) -> None:
        hidden = mail(
            "body\n.\nMAIL FROM:<ann@team.test>\nRCPT TO:<triage@agents.test>\nDATA\n"
        ).replace(b"\r\n.\r\n", b"\n.\n")

        def talk() -> None:
            with socket.create_connection(("127.0.0.1", inbox.port), 5) as client:
                for line in (
                    b"HELO x\r\n",
                    b"MAIL FROM:<ann@team.test>\r\n",
                    b"RCPT TO:<assistant@agents.test>\r\n",
                    b"DATA\r\n",
                    hidden + b"\r\n.\r\n",
                ):
                    client.recv(4096)
                    client.sendall(line)
                assert client.recv(4096).startswith(b"250")

        await asyncio.to_thread(talk)
        [trigger] = inbox.triggers
        assert trigger.agent == "assistant"
        assert "RCPT TO" in trigger.text

    async def test_stopping_hangs_up_and_frees_the_port(self, tmp_path: Path) -> None:
        inbox = Inbox()
        server = MailServer(
            settings(tmp_path),
            inbox.accept,
            answer=inbox.answer,
            bounced=inbox.bounced,
            check=inbox.check,
            agents=lambda: ["assistant"],
            blobs=FolderBlobs(tmp_path),
            refused=lambda reason, detail: None,
            ignored=lambda reason, detail: None,
        )
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        await server.stop()
        assert await reader.read() == b""
        writer.close()
        assert await server.start("127.0.0.1", port) == port
        await server.stop()


class Line:
    """A client that says what it likes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._answers = self._socket.makefile("rb")
        self.greeting = self.hears()

    def says(self, line: str | bytes) -> str:
        self._socket.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.hears()

    def hears(self) -> str:
        """The next answer; "" after the server has hung up."""
        while (line := self._answers.readline().decode()).startswith(("250-",)):
            pass
        return line.strip()

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


async def talk(port: int, *lines: str | bytes) -> list[str]:
    """The answers to the lines of one client, the greeting first."""

    def speak() -> list[str]:
        with contextlib.closing(Line(port)) as line:
            return [line.greeting, *(line.says(said) for said in lines)]

    return await asyncio.to_thread(speak)


BEGIN = ("EHLO client.test", "MAIL FROM:<ann@team.test>", "RCPT TO:<assistant@agents.test>")


class TestSize:
    SIZE = 100 * 1024

    @pytest.fixture
    async def small(self, tmp_path: Path) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        async with inbox.serving(settings(tmp_path, mail_size=self.SIZE)):
            yield inbox

    async def test_the_refusal_names_the_limit(self, small: Inbox) -> None:
        refusal = "552 5.3.4 the mail is larger than 0.0977 MB (PONDERD_MAIL_SIZE)"
        content = mail(("x" * 70 + "\n") * 1_500)
        assert await small.send(content) == refusal

        def announce(client: smtplib.SMTP) -> Any:
            client.ehlo()
            assert client.esmtp_features["size"] == str(self.SIZE)
            return client.mail("ann@team.test", [f"SIZE={len(content)}"])

        assert await small.client(announce) == (552, refusal[4:].encode())
        assert small.triggers == []

    async def test_what_is_just_small_enough_is_taken(self, small: Inbox) -> None:
        content = mail("x\n" * 1_000)
        content += b"y" * 500 + b"\r\n"
        content += (b"z" * 70 + b"\r\n") * ((self.SIZE - len(content)) // 72)
        content += b"e" * (self.SIZE - len(content) - 2) + b"\r\n"
        assert len(content) == self.SIZE
        assert (await small.send(content)).startswith("250")
        assert (await small.send(content.replace(b"ee\r", b"eee\r"))).startswith("552")

    async def test_a_mail_with_photos_is_taken_by_default(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail(("x" * 70 + "\n") * 100_000))).startswith("250")

    async def test_all_mails_together_have_a_limit(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "BUFFERED", 1024)
        assert await inbox.send(mail("x\n" * 1_000)) == (
            "452 4.3.1 too much mail at the same time, try again later"
        )
        for _ in range(5):
            assert (await inbox.send(mail("x\n" * 100))).startswith("250")


class TestData:
    @pytest.mark.parametrize(
        ("sent", "text"),
        [
            (b"one\r\n..two\r\n...\r\n.three\r\n", "one\n.two\n..\nthree"),
            (b"one\r\n.\n\n.\rtwo\r\n", "one\n\n\n.\ntwo"),
        ],
    )
    async def test_dots_at_the_beginning_of_lines(
        self, inbox: Inbox, sent: bytes, text: str
    ) -> None:
        content = mail("", Subject="") + sent + b"."
        answers = await talk(inbox.port, *BEGIN, "DATA", content)
        assert answers[-1] == "250 2.0.0 OK"
        assert inbox.triggers[0].text == text

    async def test_an_empty_mail_has_an_end_too(self, inbox: Inbox) -> None:
        answers = await talk(inbox.port, *BEGIN, "DATA", ".", "NOOP")
        assert answers[-2].startswith("554")
        assert answers[-1] == "250 OK"

    async def test_what_comes_with_the_end_is_the_next_command(self, inbox: Inbox) -> None:
        answers = await talk(inbox.port, *BEGIN, "DATA", mail() + b"\r\n.\r\nNOOP\r\nVRFY x")
        assert answers[-1] == "250 2.0.0 OK"
        answers = await talk(inbox.port, *BEGIN, "DATA", mail() + b"\r\n.\r\nQUIT")
        assert answers[-1] == "250 2.0.0 OK"

    @pytest.mark.parametrize("size", [1_024, 30_000])
    async def test_the_end_is_seen_wherever_the_network_cuts(self, inbox: Inbox, size: int) -> None:
        content = mail("x" * 70 + "\n" + ("y" * 70 + "\n") * (size // 72))

        def speak() -> str:
            with contextlib.closing(Line(inbox.port)) as line:
                for said in (*BEGIN, "DATA"):
                    line.says(said)
                for piece in (content, b"\r", b"\n", b".", b"\r", b"\n"):
                    line._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    line._socket.sendall(piece)
                return line.hears()

        assert (await asyncio.to_thread(speak)).startswith("250")
        assert inbox.triggers[0].text.count("y" * 70) == size // 72

    async def test_a_line_over_the_limit_of_the_standard_is_refused(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail("x" * 900))).startswith("250")
        for content in (mail("x" * 1_500), mail("x" * 100_000), mail("y\n" * 99 + "x" * 1_001)):
            assert await inbox.send(content) == "500 5.6.0 a line is longer than 1000 bytes"


class TestWhoIsAsked:
    async def test_a_stranger_learns_no_names(self, inbox: Inbox) -> None:
        for mail_from in ("eve@evil.test", ""):
            answer = await inbox.send(mail(), "nobody@agents.test", mail_from=mail_from)
            assert answer == "550 5.1.1 no such mailbox"

    async def test_an_address_like_that_of_an_approval_must_have_its_form(
        self, inbox: Inbox
    ) -> None:
        real = NAMES.approve_address("run1:7", "ann@team.test")
        for address in ("approve+x@agents.test", "approve@agents.test", real.replace(".", "_", 1)):
            assert (await inbox.send(mail(), address)).startswith("550 5.1.1")

    async def test_a_mail_may_have_twenty_recipients(self, tmp_path: Path) -> None:
        inbox = Inbox()
        names = [f"agent{i}" for i in range(30)]
        recipients = [f"RCPT TO:<{name}@agents.test>" for name in names]
        async with inbox.serving(settings(tmp_path), agents=lambda: names):
            answers = await talk(
                inbox.port, *BEGIN[:2], *recipients, recipients[0], "DATA", mail() + b"\r\n."
            )
        codes = [answer[:9] for answer in answers[3:]]
        assert codes == [
            *["250 2.1.5"] * 20,
            *["452 4.5.3"] * 10,
            "250 2.1.5",
            "354 End d",
            "250 2.0.0",
        ]
        assert len(inbox.triggers) == 20

    async def test_an_international_address_works_from_end_to_end(self, tmp_path: Path) -> None:
        inbox = Inbox()

        def send(client: smtplib.SMTP) -> Any:
            content = mail("Grüße", From="Jürgen <jürgen@team.test>")
            return client.sendmail(
                "jürgen@team.test",
                ["assistant@agents.test"],
                content,
                mail_options=["SMTPUTF8", "BODY=8BITMIME"],
            )

        async with inbox.serving(settings(tmp_path)):
            assert await inbox.client(send) == {}
            answers = await talk(inbox.port, "EHLO x", b"MAIL FROM:<j\xfcrgen@team.test> SMTPUTF8")
        [trigger] = inbox.triggers
        assert (trigger.sender, trigger.text[-5:]) == ("jürgen@team.test", "Grüße")
        assert answers[-1].startswith("553 5.6.7")


class TestPostmaster:
    @pytest.fixture
    async def kept(self, inbox: Inbox, tmp_path: Path) -> Iterator[Path]:
        return tmp_path / "postmaster"

    @pytest.mark.parametrize(
        "address", ["postmaster@agents.test", "Postmaster@Agents.Test", "postmaster", "POSTMASTER"]
    )
    @pytest.mark.parametrize("mail_from", ["eve@evil.test", ""])
    async def test_mail_to_it_is_kept_for_the_operator(
        self, inbox: Inbox, kept: Path, address: str, mail_from: str
    ) -> None:
        assert (await inbox.send(mail(From="eve@evil.test"), address, mail_from=mail_from))[
            :3
        ] == "250"
        [path] = kept.glob("*.eml")
        assert path.read_bytes().startswith(f"Return-Path: <{mail_from or '<>'}>".encode())
        assert b"hello" in path.read_bytes()
        assert path.stat().st_mode & 0o077 == kept.stat().st_mode & 0o077 == 0
        assert inbox.triggers == []

    async def test_an_agent_beside_it_reads_the_mail_too(self, inbox: Inbox, kept: Path) -> None:
        both = ("assistant@agents.test", "postmaster@agents.test")
        assert (await inbox.send(mail(), *both)).startswith("250")
        assert len(inbox.triggers) == len([*kept.glob("*.eml")]) == 1
        answer = await inbox.send(mail(From="eve@evil.test"), *both, mail_from="eve@evil.test")
        assert answer.startswith("550")
        assert len([*kept.glob("*.eml")]) == 1

    async def test_an_agent_may_be_the_postmaster(self, tmp_path: Path) -> None:
        inbox, stranger = Inbox(), "eve@evil.test"
        async with inbox.serving(settings(tmp_path), agents=lambda: ["postmaster"]):
            assert (await inbox.send(mail(), "postmaster@agents.test")).startswith("250")
            assert [trigger.agent for trigger in inbox.triggers] == ["postmaster"]
            assert not (tmp_path / "postmaster").exists()
            content = mail(From=stranger)
            answer = await inbox.send(content, "postmaster@agents.test", mail_from=stranger)
            assert answer.startswith("250")
        assert len(inbox.triggers) == len([*(tmp_path / "postmaster").glob("*.eml")]) == 1

    async def test_too_much_of_it_is_refused(self, inbox: Inbox) -> None:
        answer = await inbox.send(mail("x" * 70 + "\n" + "y\n" * 500_000), "postmaster@agents.test")
        assert answer == "552 5.3.4 mail to postmaster may have up to 1 MB"

    async def test_what_is_refused_has_no_effect(self, inbox: Inbox, kept: Path) -> None:
        both = ("assistant@agents.test", "postmaster@agents.test")
        assert (await inbox.send(mail("y\n" * 600_000), *both)).startswith("552")
        kept.write_text("no folder")
        assert (await inbox.send(mail(), *both)).startswith("451")
        assert inbox.triggers == []

    async def test_a_full_disk_means_later(
        self, inbox: Inbox, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: Path, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            assert (await inbox.send(mail(), "postmaster")).startswith("451")
        assert [*kept.iterdir()] == []
        assert (await inbox.send(mail(), "postmaster")).startswith("250")

    def test_the_oldest_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postmaster, "FILES", 3)
        monkeypatch.setattr("time.strftime", lambda *_: f"2026{len(list(tmp_path.iterdir()))}")
        paths = [postmaster.keep(b"x", "a@b.test", tmp_path) for _ in range(3)]
        newest = tmp_path / "2027.eml"
        newest.write_bytes(b"x")
        monkeypatch.setattr("time.strftime", lambda *_: "2028")
        last = postmaster.keep(b"x", "a@b.test", tmp_path)
        assert sorted(tmp_path.iterdir()) == [paths[2], newest, last]
        monkeypatch.setattr(postmaster, "BYTES", 40)
        monkeypatch.setattr("time.strftime", lambda *_: "2029")
        assert list(tmp_path.iterdir()) != []
        last = postmaster.keep(b"x", "a@b.test", tmp_path)
        assert list(tmp_path.iterdir()) == [last]


class TestLimits:
    async def test_after_ten_errors_the_server_hangs_up(self, inbox: Inbox) -> None:
        lines = ["EHLO x", "MAIL FROM:<ann@team.test>"]
        wrong = ["RCPT TO:<nobody@agents.test>", "BOGUS", "RCPT", "MAIL TO:x", "X" * 600] * 2
        answers = await talk(inbox.port, *lines, *wrong, "NOOP")
        assert [answer[:1] for answer in answers[3:-1]] == ["5"] * 10
        assert answers[-1].startswith("421 4.7.0 too many errors")

    async def test_a_mail_that_is_taken_makes_good_for_errors(self, inbox: Inbox) -> None:
        wrong = ["RCPT TO:<nobody@agents.test>"] * 9
        mailed = [*BEGIN[1:], "DATA", mail() + b"\r\n."]
        answers = await talk(inbox.port, BEGIN[0], *BEGIN[1:], *wrong, *mailed[2:], *mailed, "NOOP")
        assert answers[-1] == "250 OK"

    async def test_an_unknown_command_is_neither_said_back_nor_logged(
        self, inbox: Inbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        answers = await talk(inbox.port, b"\x1b]0;owned\x07", b"\xff\xfe", b"")
        assert answers[1] == "500 5.5.2 no such command"
        assert all(answer.startswith("500 ") for answer in answers[1:])
        assert "owned" not in caplog.text

    async def test_a_command_line_has_a_limit(self, inbox: Inbox) -> None:
        answers = await talk(inbox.port, "EHLO x", "NOOP " + "x" * 100_000, "NOOP")
        assert [answer[:3] for answer in answers] == ["220", "250", "500", "250"]

    async def test_nobody_keeps_a_connection_by_saying_nothing_in_many_words(
        self, inbox: Inbox
    ) -> None:
        answers = await talk(inbox.port, "EHLO x", *["NOOP"] * 101)
        assert answers[-1].startswith("421 4.7.0")

    async def test_who_says_nothing_is_hung_up_on(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "IDLE_SECONDS", 0.1)
        assert (await talk(inbox.port, ""))[-1].startswith(("421 4.4.2", "500"))

        def wait() -> list[str]:
            with contextlib.closing(Line(inbox.port)) as line:
                return [line.greeting[:3], line.hears(), line.hears()]

        assert await asyncio.to_thread(wait) == [
            "220",
            "421 4.4.2 nothing came for too long, goodbye",
            "",
        ]

    async def test_the_idlest_gives_way_to_a_newcomer(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "CONNECTIONS", 3)

        def connect() -> None:
            with contextlib.ExitStack() as lines:
                first, second, third = (
                    lines.enter_context(contextlib.closing(Line(inbox.port))) for _ in range(3)
                )
                assert first.says("HELO client.test").startswith("250")
                new = lines.enter_context(contextlib.closing(Line(inbox.port)))
                assert new.greeting.startswith("220")
                assert second.hears() == (
                    "421 4.3.2 others need this connection, try again later, goodbye"
                )
                assert second.hears() == ""
                for line in (first, third, new):
                    assert line.says("NOOP").startswith("250")

        await asyncio.to_thread(connect)
        assert [reason for reason, _ in inbox.refused] == ["smtp_421"]

    async def test_hundreds_of_idle_ones_hold_up_no_mail(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with contextlib.ExitStack() as lines:
            for begun in [(), BEGIN[:1], BEGIN] * 70:
                line = lines.enter_context(contextlib.closing(await asyncio.to_thread(
                    Line, inbox.port
                )))  # fmt: skip
                for said in begun:
                    await asyncio.to_thread(line.says, said)
            for n in range(5):
                assert (await inbox.send(mail(f"mail {n}"))).startswith("250")
        assert len(inbox.triggers) == 5

    @pytest.mark.parametrize("unhurried", [0.0, 3600.0])
    async def test_who_sends_a_mail_gives_way_only_after_long(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, unhurried: float
    ) -> None:
        monkeypatch.setattr(session, "CONNECTIONS", 1)
        monkeypatch.setattr(session, "UNHURRIED", unhurried)

        def connect() -> tuple[str, str]:
            with contextlib.closing(Line(inbox.port)) as sending:
                for said in (*BEGIN, "DATA"):
                    sending.says(said)
                with contextlib.closing(Line(inbox.port)) as new:
                    return new.greeting[:3], "" if unhurried else sending.hears()[:3]

        assert await asyncio.to_thread(connect) == (("421", "") if unhurried else ("220", "421"))

    async def test_whose_mail_is_being_stored_never_gives_way(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "CONNECTIONS", 1)
        monkeypatch.setattr(session, "UNHURRIED", 0.0)
        inbox, begun, go_on = Inbox(), asyncio.Event(), asyncio.Event()
        check = inbox.check

        async def slow_check(trigger: Any) -> None:
            begun.set()
            await go_on.wait()
            await check(trigger)

        monkeypatch.setattr(inbox, "check", slow_check)
        async with inbox.serving(settings(tmp_path)):
            sending = asyncio.create_task(inbox.send(mail()))
            await asyncio.wait_for(begun.wait(), PATIENCE)
            assert await talk(inbox.port) == ["421 4.7.0 too many connections, try again later"]
            go_on.set()
            assert (await sending).startswith("250")

            async def taken_again() -> bool:
                return (await talk(inbox.port))[0].startswith("220")

            await eventually(taken_again)

    async def test_who_does_not_read_is_cut_off(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "IDLE_SECONDS", 0.1)
        monkeypatch.setattr(session, "CLOSE_SECONDS", 0.1)
        left: list[str] = []
        leave = Gate.leave

        def leaves(gate: Gate, one: Any) -> None:
            leave(gate, one)
            left.append(one.peer)

        monkeypatch.setattr(Gate, "leave", leaves)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect(("127.0.0.1", inbox.port))
            await asyncio.to_thread(client.sendall, b"EHLO x\r\n" + b"RSET\r\n" * 50_000)
            await eventually(lambda: left)

    def test_one_public_address_has_fewer_and_a_relay_has_not(self) -> None:
        class Client:
            idle: tuple[int, float] | None = None
            gone = False

            def __init__(self, peer: str) -> None:
                self.peer = peer

            def give_way(self) -> None:
                self.gone = True

        gate: Any = Gate(1)
        for peer in ("8.8.8.8", "2001:4860:4860::8888"):
            clients = [Client(peer) for _ in range(21)]
            assert [gate.enter(one) for one in clients] == [*[True] * 20, False]
            gate.leave(clients[0])
            gate.leave(clients[0])
            clients = [*clients[1:20], Client(peer)]
            assert [gate.enter(clients[-1]), gate.enter(Client(peer))] == [True, False]
            clients[5].idle, clients[6].idle, clients[7].idle = (0, 9.0), (1, 2.0), (1, 1.0)
            assert gate.enter(Client(peer))
            assert [one.gone for one in clients].index(True) == 6
            assert sum(one.gone for one in clients) == 1
        for peer in ("127.0.0.1", "10.1.2.3", "fe80::1%eth0", "::1", ""):
            assert all(gate.enter(Client(peer)) for _ in range(25))
        assert [gate.enter(Client("10.1.2.3")) for _ in range(100)].count(True) < 40
