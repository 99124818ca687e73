"""What the daemon does for others while strangers send it mails that are made to be costly, and
HTTP bodies that never end.

Each kind of hostile mail is sent 20 times at once, each on a connection of its own, by an allowed
sender and by a stranger. Meanwhile /healthz is asked all the time, and a proper mail is handed in
again and again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.benchmarks.parts import Bench, bench
from tests.benchmarks.report import Figure, Figures, percentile

AT_ONCE = 20
BODIES = 50
SIZE = 1_000_000
PATIENCE = 120.0
"""Seconds after which a mail without an answer is given up; no figure is made of it."""

ASSISTANT = ("assistant@agents.test",)
APPROVALS = tuple(f"approve+0c-1.{i}.{'0' * 20}@agents.test" for i in range(12))

SENDERS = (("allowed", "team.test"), ("stranger", "evil.test"))
_numbers = itertools.count()


@dataclass(frozen=True)
class Hostile:
    """A mail below its From header, and whom it is for."""

    name: str
    content: str
    to: Sequence[str] = ASSISTANT


def hostile() -> Iterator[Hostile]:
    levels = "".join(
        f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(250)
    )
    yield Hostile("250 nested multiparts, 500,000 empty lines", levels + "\n" * 500_000)
    yield Hostile("19 of them", levels[: levels.index("--b19\n")] + "\n" * 500_000)
    parts = "--b\n\nx\n" * (900_000 // 7)
    automatic = "Auto-Submitted: auto-replied\nContent-Type: multipart/mixed; boundary=b\n\n"
    yield Hostile("small parts to 12 made-up approvals", automatic + parts, APPROVALS)
    few = "--b\n\n" + "x" * 4_000 + "\n"
    yield Hostile(
        "many parts",
        automatic[automatic.index("Content") :]
        + few.replace("x" * 4_000, ("y" * 70 + "\n") * 70) * 190,
    )
    for name, tag in (
        ("div", "<div>"),
        ("attributes", "<a x=1 "),
        ("declarations", "<!"),
        ("quotations", "<blockquote><p>"),
        ("entities", "&#1114111;"),
    ):
        source = "\n".join([tag * (900 // len(tag))] * (SIZE // 900))
        yield Hostile(f"HTML of {name}", f"Content-Type: text/html\n\n{source}\n")
    for name, header in (
        ("Subject", "=?utf-8?q?=41?= "),
        ("References", "<a@b> "),
        ("To", "a <a@b.test>, "),
        ("X", '"(<>@,;'),
    ):
        folded = f"{name}: " + "\n ".join([header * (900 // len(header))] * 130)
        yield Hostile(f"a header of {name}", f"{folded}\n\nhello\n")
    quoted = "".join(f"{'>' * (i % 60)} On Monday, Bob <b@c.test> wrote:\n" for i in range(16_000))
    yield Hostile("quotations", f"References: <a@team.test>\n\n{quoted}")
    encoded = base64.encodebytes(bytes(700_000)).decode()
    pages = b"%PDF-1.4\n" + b"".join(
        b"%d 0 obj<</Type/Page/Parent 1 0 R/Contents %d 0 R>>endobj\n" % (i, i + 1)
        for i in range(14_000)
    )
    pdf = base64.encodebytes(pages).decode()
    head = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"
    yield Hostile("a damaged PDF", head + pdf)
    yield Hostile("base64", f"Content-Transfer-Encoding: base64\n\n{encoded}")


@dataclass
class Seen:
    """Milliseconds."""

    health: list[float] = field(default_factory=list)
    proper: list[float] = field(default_factory=list)
    hostile: list[float] = field(default_factory=list)


async def measure(stage: Callable[[str], None]) -> Figures:
    figures: Figures = []
    total = Seen()
    async with bench(PONDERD_MAIL_DOMAIN="agents.test", PONDERD_MAIL_ALLOW="@team.test") as parts:
        parts.stack.start("serve")
        await parts.stack.ready("/healthz")
        await _under(parts, Seen(), asyncio.sleep(2))  # the first mail starts what reads it
        quiet = Seen()
        await _under(parts, quiet, asyncio.sleep(3))
        figures += [
            Figure("quiet: /healthz, worst", max(quiet.health), "ms"),
            Figure("quiet: a proper mail to its 250, worst", max(quiet.proper), "ms"),
        ]
        async with _unfinished_bodies(parts):
            for mail in hostile():
                for name, domain in SENDERS:
                    seen = Seen()
                    stage(f"{mail.name}, {name}")
                    await _under(parts, seen, _attack(parts, mail, domain, seen))
                    worst = max(seen.health), max(seen.proper), max(seen.hostile)
                    for what, value in zip(("/healthz", "proper", "hostile"), worst, strict=True):
                        figures.append(Figure(f"{mail.name}, {name}: {what}", value, "ms"))
                    total.health += seen.health
                    total.proper += seen.proper
    return [
        *figures,
        Figure("/healthz, p99", percentile(total.health, 99), "ms"),
        Figure("/healthz, worst", max(total.health), "ms", "<= 200"),
        Figure("a proper mail to its 250, p99", percentile(total.proper, 99), "ms"),
        Figure("a proper mail to its 250, worst", max(total.proper), "ms", "<= 1,000"),
    ]


async def _under(parts: Bench, seen: Seen, attack: Awaitable[None]) -> None:
    """Measure for as long as `attack` takes, and at least once."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_health(parts, seen, over))
        tasks.create_task(_proper(parts, seen, over))
        await attack
        over.set()


async def _health(parts: Bench, seen: Seen, over: asyncio.Event) -> None:
    async with aiohttp.ClientSession(parts.stack.url) as session:
        while not (over.is_set() and seen.health):
            began = time.monotonic()
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            seen.health.append((time.monotonic() - began) * 1000)
            await asyncio.sleep(0.01)


async def _proper(parts: Bench, seen: Seen, over: asyncio.Event) -> None:
    while not (over.is_set() and seen.proper):
        content = f"Message-ID: <{next(_numbers)}@team.test>\nSubject: Lunch\n\nHello.\n"
        sender = _somebody("team.test")
        took, answer = await _send(parts, sender, ASSISTANT, _wire(sender, content))
        assert answer.startswith("250"), answer
        seen.proper.append(took)
        await asyncio.sleep(0.05)


async def _attack(parts: Bench, mail: Hostile, domain: str, seen: Seen) -> None:
    # Made before they are sent, so that making them slows nothing down.
    made = [(sender, _wire(sender, mail.content)) for sender in _people(domain)]
    sent = (_send(parts, sender, mail.to, data) for sender, data in made)
    for took, answer in await asyncio.gather(*sent):
        assert answer[:3] in ("250", "550", "552", "554", "451", "452"), answer
        seen.hostile.append(took)


def _people(domain: str) -> list[str]:
    return [_somebody(domain) for _ in range(AT_ONCE)]


def _somebody(domain: str) -> str:
    """Always somebody else: a sender may write only so often."""
    return f"a{next(_numbers)}@{domain}"


def _wire(sender: str, content: str) -> bytes:
    return f"From: {sender}\n{content}".replace("\n", "\r\n").encode() + b"\r\n.\r\n"


async def _send(parts: Bench, sender: str, to: Sequence[str], data: bytes) -> tuple[float, str]:
    """Milliseconds until the last answer to a mail, and that answer."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", parts.stack.smtp_port)
        try:
            await reader.readline()
            lines = ["HELO x", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in to), "DATA"]
            answer = ""
            for line in lines:
                writer.write(f"{line}\r\n".encode())
                answer = (await reader.readline()).decode()
            if answer.startswith("354"):
                writer.write(data)
                answer = (await reader.readline()).decode()
        finally:
            writer.close()
    return (time.monotonic() - began) * 1000, answer


@contextlib.asynccontextmanager
async def _unfinished_bodies(parts: Bench) -> AsyncIterator[None]:
    """Requests that announce a megabyte, send nine tenths of it, and then nothing."""
    head = f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(BODIES):
            _, writer = await asyncio.open_connection("127.0.0.1", parts.stack.http_port)
            writers.append(writer)
            writer.write(head + b"x" * (SIZE * 9 // 10))
        yield
    finally:
        for writer in writers:
            writer.close()
