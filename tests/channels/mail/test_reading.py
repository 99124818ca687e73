from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage

import psutil
import pytest

from ponderd.channels.errors import Malformed, TooLarge, Unavailable
from ponderd.channels.mail.content import read_content
from ponderd.channels.mail.reading import Reader
from ponderd.channels.mail.text.quotation import Thread
from ponderd.workers.execution.threads import new_event_loop
from tests.channels.documents import pdf, xlsx
from tests.channels.mail.mails import RULES, mail
from tests.services.eventually import eventually

THREAD = Thread(is_ours=RULES.is_ours, subject="Question")

MISBEHAVING = """
import os, time
from dataclasses import replace
from ponderd.channels import documents, files, killable_process
from ponderd.channels.mail import content

def misbehave(how):
    if "sleep" in how:
        time.sleep(600)
    if "loop" in how:
        while True: pass
    if "die" in how:
        os._exit(3)
    if "memory" in how:
        bytearray(4 * 1024**3)
    if "fault" in how:
        raise KeyError("a fault")
    if "print" in how:
        print("words" * 10_000, flush=True)
        os.write(1, b"more words")

def read_content(mail, thread):
    how, *names = mail.decode().split(" with ")
    misbehave(how)
    found = tuple(documents.File(name, "text/plain", b"x") for name in names)
    return content.Content(f"{how} {sorted(os.environ)}", "", "", found)

def with_text(file, enough):
    misbehave(file.name)
    while file.name == "pages" and not enough():
        time.sleep(0.001)
    return replace(file, text=f"text of {file.name}")

content.read_content = read_content
files.with_text = with_text
killable_process.main()
"""


@pytest.fixture
async def new() -> AsyncIterator[Callable[..., Reader]]:
    readers: list[Reader] = []

    def create(**options: int) -> Reader:
        readers.append(Reader(command=(sys.executable, "-c", MISBEHAVING), **options))
        return readers[-1]

    yield create
    for reader in readers:
        await reader.close()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


class TestReader:
    async def test_it_reads_what_the_content_says_and_keeps_its_process(self) -> None:
        before = children()
        reader = Reader()
        await reader.start()
        started = children() - before
        content = mail("Hello.\n", Content_Type="text/html")
        for _ in range(3):
            assert await reader.read(content, THREAD) == read_content(content, THREAD)
        assert len(started) == 1
        assert children() - before == started
        await reader.close()
        assert children() == before

    async def test_a_refusal_comes_back_with_its_words(self) -> None:
        reader = Reader()
        with pytest.raises(TooLarge, match="more than 200 parts"):
            await reader.read(
                mail("--b\n\nx\n" * 300, Content_Type="multipart/mixed; boundary=b"), THREAD
            )
        await reader.close()

    @pytest.mark.parametrize("what", [b"sleep", b"loop"])
    async def test_what_takes_too_long_is_killed_and_refused(
        self, new: Callable[..., Reader], what: bytes
    ) -> None:
        reader = new(seconds=3, processes=1)
        with pytest.raises(TooLarge, match=r"takes too long to read \(more than 3 s\)"):
            await reader.read(what, THREAD)
        assert (await reader.read(b"next", THREAD)).text.startswith("next")

    async def test_a_mail_that_ends_the_process_is_refused(
        self, new: Callable[..., Reader]
    ) -> None:
        reader = new(processes=1)
        with pytest.raises(Malformed, match="it stops whatever reads it"):
            await reader.read(b"die", THREAD)
        assert (await reader.read(b"next", THREAD)).text.startswith("next")

    async def test_a_process_that_something_else_ended_costs_no_mail(
        self, new: Callable[..., Reader]
    ) -> None:
        before = children()
        reader = new(processes=1)
        await reader.start()
        [pid] = children() - before
        os.kill(pid, signal.SIGKILL)
        assert (await reader.read(b"next", THREAD)).text.startswith("next")

    async def test_nor_does_one_that_was_stopped(self, new: Callable[..., Reader]) -> None:
        before = children()
        reader = new(processes=1, seconds=2)
        await reader.start()
        [pid] = children() - before
        os.kill(pid, signal.SIGSTOP)
        assert (await reader.read(b"next", THREAD)).text.startswith("next")
        assert pid not in children()

    def test_nor_does_it_on_the_event_loop_of_the_daemon(self) -> None:
        async def kill_and_read() -> str:
            before = children()
            reader = Reader(processes=1, command=(sys.executable, "-c", MISBEHAVING))
            await reader.start()
            [pid] = children() - before
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: pid not in children())
            try:
                return (await reader.read(b"next", THREAD)).text
            finally:
                await reader.close()

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            assert runner.run(kill_and_read()).startswith("next")

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process takes")
    async def test_a_mail_that_needs_too_much_memory_is_refused(
        self, new: Callable[..., Reader]
    ) -> None:
        with pytest.raises(TooLarge, match="too much memory"):
            await new().read(b"memory", THREAD)

    async def test_a_fault_of_ours_is_told(self, new: Callable[..., Reader]) -> None:
        with pytest.raises(Malformed, match="a fault"):
            await new().read(b"fault", THREAD)

    async def test_what_a_library_prints_does_no_harm(self, new: Callable[..., Reader]) -> None:
        reader = new()
        for _ in range(2):
            assert (await reader.read(b"print", THREAD)).text.startswith("print")

    async def test_no_secret_is_within_its_reach(
        self, new: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PONDERD_SIGNING_SECRET", "a secret of the signer")
        text = (await new().read(b"environment", THREAD)).text
        assert "PATH" in text
        assert "PONDERD" not in text

    async def test_ctrl_c_is_for_the_daemon(self, new: Callable[..., Reader]) -> None:
        before = children()
        reader = new()
        await reader.start()
        [pid] = children() - before
        assert os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGINT)
        await reader.read(b"next", THREAD)
        assert children() - before == {pid}

    async def test_where_no_process_starts_mails_come_later(self) -> None:
        for command in ((sys.executable, "-c", "pass"), ("/no/such/program",)):
            with pytest.raises(Unavailable):
                await Reader(command=command).read(mail(), THREAD)


class TestFiles:
    async def test_the_text_of_files_is_read(self) -> None:
        reader = Reader()
        content = mail("a,b\n1,2\n", Content_Disposition="attachment; filename=a.csv")
        [file] = (await reader.read(content, THREAD)).files
        assert (file.name, file.text, file.unread) == ("a.csv", "a,b\n1,2", "")
        await reader.close()

    @pytest.mark.parametrize(
        ("how", "why"),
        [
            ("sleep", "it takes too long to read"),
            ("die", "it stops whatever reads it"),
            ("fault", "ponderd has a fault in reading it"),
        ],
    )
    async def test_a_file_costs_only_itself(
        self, new: Callable[..., Reader], how: str, why: str
    ) -> None:
        found = await new(seconds=3).read(f"words with {how} with b".encode(), THREAD)
        assert found.text.startswith("words")
        first, second = found.files
        assert (first.text, first.unread) == (None, why)
        assert (second.text, second.unread) == ("text of b", "")

    async def test_waiting_for_the_files_of_others_costs_a_file_nothing(
        self, new: Callable[..., Reader]
    ) -> None:
        reader = new(processes=1, files_seconds=3)
        async with reader._files._pool.turn(0):
            reading = asyncio.create_task(reader.read(b"words with a with b", THREAD))
            await asyncio.sleep(3.2)
        assert [file.text for file in (await reading).files] == ["text of a", "text of b"]

    async def test_a_long_one_is_told_when_to_stop(self, new: Callable[..., Reader]) -> None:
        [file] = (await new(seconds=5).read(b"words with pages", THREAD)).files
        assert file.text == "text of pages"

    async def test_files_of_offices_are_read(self) -> None:
        message = EmailMessage()
        message.set_content("see")
        for name, content in (
            ("b.pdf", pdf([(72, 700, "hello")])),
            ("c.xlsx", xlsx({"S": '<row r="1"><c><v>1</v></c></row>'})),
        ):
            message.add_attachment(
                content, maintype="application", subtype="octet-stream", filename=name
            )
        reader = Reader()
        files = (await reader.read(message.as_bytes(), THREAD)).files
        assert [file.text for file in files] == ["hello", "--- sheet S ---\n1"]
        assert files[0].content.startswith(b"%PDF")
        await reader.close()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process takes")
    async def test_so_does_its_memory(self, new: Callable[..., Reader]) -> None:
        [file] = (await new().read(b"words with memory", THREAD)).files
        assert file.unread == "it takes too much memory to read"

    async def test_all_files_of_a_mail_have_a_limit(self, new: Callable[..., Reader]) -> None:
        reader = new(files_seconds=1)
        files = (await reader.read(b"words with sleep with b with c", THREAD)).files
        late = "the files before it took too long to read"
        assert [file.unread for file in files] == ["it takes too long to read", late, late]

    async def test_no_mail_waits_for_the_files_of_others(self, new: Callable[..., Reader]) -> None:
        reader = new(processes=1)
        slow = asyncio.create_task(reader.read(b"words with sleep", THREAD))
        for _ in range(3):
            assert (await reader.read(b"next", THREAD)).text.startswith("next")
        assert not slow.done()
        slow.cancel()
        await asyncio.wait([slow])


class TestTheQueue:
    async def test_the_smaller_mail_is_read_first(self, new: Callable[..., Reader]) -> None:
        reader = new(processes=1, seconds=3)
        done: list[bytes] = []

        async def read(content: bytes) -> None:
            await reader.read(content, THREAD)
            done.append(content)

        blocker = asyncio.create_task(reader.read(b"sleep", THREAD))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(read(b"x" * size)) for size in (30, 10, 20)]
        with pytest.raises(TooLarge):
            await blocker
        await asyncio.gather(*waiting)
        assert [len(content) for content in done] == [10, 20, 30]

    async def test_no_small_mail_waits_for_a_large_one(self, new: Callable[..., Reader]) -> None:
        reader = new(processes=1)
        large = asyncio.create_task(reader.read(b"sleep" + b" " * 200_000, THREAD))
        for _ in range(3):
            assert (await reader.read(b"next", THREAD)).text.startswith("next")
        assert not large.done()
        large.cancel()
        await asyncio.wait([large])

    async def test_only_so_many_wait(self, new: Callable[..., Reader]) -> None:
        reader = new(processes=1, waiting=1)
        first = asyncio.create_task(reader.read(b"sleep", THREAD))
        await asyncio.sleep(0)
        second = asyncio.create_task(reader.read(b"next", THREAD))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many mails"):
            await reader.read(b"third", THREAD)
        first.cancel()
        assert (await second).text.startswith("next")

    async def test_who_gives_up_waiting_takes_no_turn(self, new: Callable[..., Reader]) -> None:
        reader = new(processes=1)
        first = asyncio.create_task(reader.read(b"sleep", THREAD))
        await asyncio.sleep(0)
        second = asyncio.create_task(reader.read(b"second", THREAD))
        third = asyncio.create_task(reader.read(b"third", THREAD))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        assert (await third).text.startswith("third")
        assert (await reader.read(b"fourth", THREAD)).text.startswith("fourth")


@pytest.mark.parametrize("what", ["idle", "loop"])
async def test_no_process_outlives_its_daemon(what: str) -> None:
    daemon = f"""
    import asyncio, psutil, sys
    from ponderd.channels import killable
    from ponderd.channels.mail import reading
    from ponderd.channels.mail.text.quotation import Thread

    async def main():
        killable.GRACE_SECONDS = 0
        reader = reading.Reader(seconds=2, command=(sys.executable, "-c", {MISBEHAVING!r}))
        await reader.start()
        task = asyncio.create_task(reader.read({what.encode()!r}, Thread(is_ours=str.isalpha)))
        await asyncio.sleep(0.2)
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(daemon)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in (await asyncio.to_thread(parent.stdout.readline)).split()]
        parent.kill()
    assert pids
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
