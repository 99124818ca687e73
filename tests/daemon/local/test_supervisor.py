"""The supervisor with small real processes: a signal reaches it as it does in a terminal."""

import asyncio
import contextlib
import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from ponderd.channels.errors import StartupError
from ponderd.daemon.local import supervisor as module
from ponderd.daemon.local.processes import Children, free_ports, locked, require_free_port
from ponderd.daemon.local.supervisor import Service, Supervisor
from tests.services.eventually import PATIENCE, eventually, patiently

SLEEP = "import time; print('up', flush=True); time.sleep(3600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)
"""
ORDERLY = """
import os, signal, sys, time
def stop(*_):
    print('stopped', file=open(sys.argv[1], 'a')); os._exit(0)
signal.signal(signal.SIGTERM, stop); print('up', flush=True); time.sleep(3600)
"""
SICK = """
import pathlib, sys, time
print('up', flush=True)
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(.01)
raise SystemExit(3)
"""


def python(code: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, arguments))


class Case:
    """One supervisor; `do` runs when all are ready, and Ctrl-C is pressed when it is done."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.console = Console(file=io.StringIO(), width=300)
        self.children = Children(data_dir)
        self.pids: list[int] = []
        self.ready = asyncio.Event()
        self.pressed_again = False

    def is_up(self, name: str) -> Callable[[], object]:
        async def problem() -> str | None:
            return None if self.children.last_line(name) == "up" else "silent"

        return problem

    def service(self, name: str, code: str, *arguments: object, **options: object) -> Service:
        return Service(  # type: ignore[arg-type]
            name, python(code, *arguments), problem=self.is_up(name), **options
        )

    async def run(self, *services: Service, write_problem: object = None) -> None:
        supervisor = Supervisor(
            services,
            self.data_dir,
            self.console,
            when_ready=self.ready.set,
            write_problem=write_problem or module.always_ready,  # type: ignore[arg-type]
        )
        supervisor.end_leftovers()
        running = asyncio.create_task(supervisor.run())
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.pids = [entry["pid"] for entry in self.entries()]
        try:
            doing = asyncio.create_task(self.do())
            await asyncio.wait((running, doing), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                doing.result()
                os.kill(os.getpid(), signal.SIGINT)
            doing.cancel()
            await patiently(running)
        finally:
            assert not any(psutil.pid_exists(pid) for pid in self.pids)

    async def do(self) -> None:
        pass

    def entries(self) -> list[dict[str, int]]:
        with contextlib.suppress(FileNotFoundError):
            return list(json.loads((self.data_dir / "processes.json").read_text()))
        return []

    def pid(self, name: str) -> int:
        return next(entry["pid"] for entry in self.entries() if entry["name"] == name)

    @property
    def said(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()

    async def until(self, text: str) -> None:
        await eventually(lambda: text in self.said)

    async def press_again(self) -> None:
        """A second Ctrl-C, long enough after the first one to be meant as another."""
        await self.until("stopping")
        await asyncio.sleep(0.8)
        self.pressed_again = True
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


async def test_ctrl_c_stops_everything_in_the_reverse_order_of_the_start(case: Case) -> None:
    order = case.data_dir / "order"
    note = ORDERLY.replace("'stopped'", "sys.argv[2]")
    names = ("state server", "model server", "worker", "daemon")
    await case.run(*(case.service(name, note, order, name) for name in names))
    assert order.read_text().split("\n")[:-1] == list(reversed(names))
    assert "stopping daemon, worker, model server, state server" in case.said
    assert case.entries() == []


async def test_sigterm_is_ctrl_c(case: Case) -> None:
    async def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    case.do = terminate  # type: ignore[method-assign]
    await case.run(case.service("daemon", SLEEP))


async def test_ctrl_c_before_all_are_ready_stops_what_is_there(case: Case) -> None:
    async def press_once_both_are_started() -> None:
        await eventually(lambda: len(case.entries()) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = asyncio.create_task(press_once_both_are_started())
    never = case.service("daemon", "import time; time.sleep(3600)")
    await case.run(case.service("state server", SLEEP), never)
    await pressing
    assert not case.ready.is_set()


async def test_a_service_starts_once_those_it_needs_are_ready(case: Case) -> None:
    late = "import time; time.sleep(.3); print('up', flush=True); time.sleep(3600)"
    look = (
        "import pathlib, sys, time; assert 'up' in pathlib.Path(sys.argv[1]).read_text();"
        "print('up', flush=True); time.sleep(3600)"
    )
    log = case.children.log("state server")
    await case.run(
        case.service("state server", late),
        case.service("worker", look, log, after=("state server",)),
    )


async def test_ctrl_c_in_a_terminal_does_not_reach_the_children(case: Case) -> None:
    async def look() -> None:
        assert {os.getsid(pid) for pid in case.pids} == set(case.pids)

    case.do = look  # type: ignore[method-assign]
    await case.run(case.service("worker", SLEEP), case.service("daemon", SLEEP))


async def test_one_that_does_not_stop_is_killed_after_its_grace(case: Case) -> None:
    await case.run(case.service("worker", STUBBORN, grace=0.5))


async def test_a_second_ctrl_c_does_not_wait_for_the_worker(case: Case) -> None:
    pressing = asyncio.create_task(case.press_again())
    await case.run(case.service("worker", STUBBORN, grace=3600))
    assert case.pressed_again
    await pressing


async def test_a_second_ctrl_c_still_lets_the_state_server_write(case: Case) -> None:
    slow = ORDERLY.replace("def stop(*_):", "def stop(*_):\n    time.sleep(1.5)")
    marker = case.data_dir / "marker"

    pressing = asyncio.create_task(case.press_again())
    await case.run(case.service("state server", slow, marker, patient=True))
    await pressing
    assert marker.read_text() == "stopped\n"


async def test_a_server_that_dies_stops_everything_with_one_line(case: Case) -> None:
    async def kill() -> None:
        os.kill(case.pid("model server"), signal.SIGKILL)
        await asyncio.Event().wait()

    case.do = kill  # type: ignore[method-assign]
    model = case.service("model server", SLEEP, advice="buy memory")
    with pytest.raises(StartupError) as caught:
        await case.run(case.service("state server", SLEEP), model, case.service("worker", SLEEP))
    line = str(caught.value)
    assert line.startswith("the model server died (killed by SIGKILL, perhaps out of memory)")
    assert str(case.children.log("model server")) in line and line.endswith("; buy memory")
    assert caught.value.exit_code == 1


async def test_a_worker_that_dies_is_restarted(case: Case) -> None:
    async def kill() -> None:
        before = case.pid("worker")
        os.kill(before, signal.SIGKILL)
        await case.until("restarting it")
        await eventually(lambda: [entry["pid"] for entry in case.entries()] != [before])
        case.pids = [case.pid("worker")]
        assert psutil.pid_exists(case.pid("worker"))

    case.do = kill  # type: ignore[method-assign]
    await case.run(case.service("worker", SLEEP, restarts=True))


ENDS = {
    "os.kill(os.getpid(), 9)": "killed by SIGKILL",
    "os._exit(0)": "exit code 0",
    "os._exit(1)": "exit code 1",
    "os._exit(2)": "exit code 2",
    "os._exit(70)": "exit code 70",
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_worker_that_a_run_ends_before_all_are_ready_is_restarted(
    case: Case, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """An earlier start may have left a run that ends whoever takes it up, three times."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    mark = case.data_dir / "was here"
    code = (
        "import os, pathlib, sys, time\n"
        "mark = pathlib.Path(sys.argv[1])\n"
        "times = len(mark.read_text()) if mark.exists() else 0\n"
        "if times < 3:\n"
        "    mark.write_text('x' * (times + 1))\n"
        f"    {end}\n"
        "print('up', flush=True)\n"
        "time.sleep(3600)"
    )
    await case.run(case.service("worker", code, str(mark), restarts=True))
    assert case.said.count(f"the worker died ({ENDS[end]}") == 3
    assert case.ready.is_set()


@pytest.mark.parametrize(
    ("code", "starts"),
    [
        ("import sys; sys.exit('ponderd: PONDERD_X is wrong')", 1),
        ("raise KeyError('PONDERD_X')", 4),
    ],
)
async def test_a_worker_that_cannot_start_is_not_tried_for_ever(
    case: Case, monkeypatch: pytest.MonkeyPatch, code: str, starts: int
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)

    async def never() -> str:
        return "it is not ready"

    waiting = Service("state server", python(SLEEP), problem=never)
    with pytest.raises(StartupError, match=r"the worker does not start .*PONDERD_X"):
        await case.run(waiting, case.service("worker", code, restarts=True))
    assert case.said.count("restarting it") == starts - 1


async def test_a_worker_that_keeps_dying_is_restarted_after_longer_and_longer_pauses(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.03)
    fallen_ill = case.data_dir / "ill"

    async def fall_ill_and_recover() -> None:
        fallen_ill.touch()
        await eventually(lambda: case.said.count("restarting it") >= 5)
        fallen_ill.unlink()
        await case.until("restarting it in 0.03 s")
        said = case.said.count("restarting it")
        # One that was started while it was ill may still die.
        await eventually(lambda: case.children.last_line("worker") == "up")
        await asyncio.sleep(0.5)
        assert case.said.count("restarting it") <= said + 1
        case.pids = [case.pid("worker"), case.pid("daemon")]

    case.do = fall_ill_and_recover  # type: ignore[method-assign]
    worker = case.service("worker", SICK, fallen_ill, restarts=True)
    await case.run(worker, case.service("daemon", SLEEP))
    pauses = [line.rpartition(" in ")[2] for line in case.said.splitlines() if "restarting" in line]
    assert pauses[:4] == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]


async def test_a_full_disk_ends_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies meanwhile is started without a log, and remembered when there is room."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "WRITE_CHECK", 0.1)
    open_file, full = Path.open, False

    def open_if_room(path: Path, mode: str = "r", *args: object, **options: object) -> object:
        if full and mode[0] in "aw" and path != Path(os.devnull):
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_file(path, mode, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_if_room)

    async def fill() -> None:
        nonlocal full
        before = case.pid("worker")
        full = True
        os.kill(before, signal.SIGKILL)
        await case.until("restarting it")
        await asyncio.sleep(0.3)
        assert case.pid("worker") == before  # what the file still says
        full = False
        await eventually(lambda: case.pid("worker") != before)
        case.pids = [case.pid("worker")]
        assert psutil.pid_exists(case.pid("worker"))

    case.do = fill  # type: ignore[method-assign]
    await case.run(case.service("worker", SLEEP, restarts=True))


async def test_one_that_does_not_start_says_why_in_its_own_words(case: Case) -> None:
    broken = case.service("daemon", "raise SystemExit('PONDERD_HOST: no such host')")
    with pytest.raises(StartupError, match=r"the daemon does not start \(exit code 1\)") as caught:
        await case.run(case.service("state server", SLEEP), broken)
    assert "PONDERD_HOST: no such host" in str(caught.value)


async def test_a_wrong_setting_keeps_its_exit_code(case: Case) -> None:
    with pytest.raises(StartupError) as caught:
        await case.run(case.service("daemon", "import os; print('wrong'); os._exit(2)"))
    assert caught.value.exit_code == 2


async def test_a_program_that_is_not_there(case: Case) -> None:
    missing = Service("state server", ("/nowhere/redis-server",))
    with pytest.raises(StartupError, match=r"the state server cannot be started: .*nowhere"):
        await case.run(missing)


async def test_a_full_disk_is_told_once_and_so_is_its_end(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_CHECK", 0.02)
    answers = iter(["It cannot write."] * 3)

    async def write_problem() -> str | None:
        return next(answers, None)

    async def wait() -> None:
        await case.until("takes messages again")

    case.do = wait  # type: ignore[method-assign]
    await case.run(case.service("state server", SLEEP), write_problem=write_problem)
    assert case.said.count("It cannot write. No message is accepted") == 1
    assert case.said.count("takes messages again") == 1


async def test_what_a_killed_up_left_running_is_ended_first(case: Case) -> None:
    left = case.children.start("worker", python(SLEEP), os.environ)
    await case.run(case.service("worker", SLEEP))
    assert left.wait(PATIENCE) == -signal.SIGTERM
    assert f"ending the worker (PID {left.pid})" in case.said


async def test_a_stranger_with_a_used_again_id_is_left_alone(case: Case) -> None:
    stranger = subprocess.Popen(python(SLEEP), stdout=subprocess.DEVNULL)
    try:
        entry = {"name": "worker", "pid": stranger.pid, "created": time.time() - 3_600}
        (case.data_dir / "processes.json").write_text(json.dumps([entry]))
        assert Children(case.data_dir).leftovers() == []
    finally:
        stranger.kill()
        stranger.wait()


def test_one_up_per_data_folder(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(StartupError, match=rf"PID {os.getpid()}\).*PONDERD_DATA_DIR"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_port_in_use_names_the_program_and_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartupError) as caught:
            require_free_port("127.0.0.1", port, "PONDERD_HTTP_PORT")
    assert f"port {port} is in use" in str(caught.value)
    assert f"(PID {os.getpid()}); stop that program, or set PONDERD_HTTP_PORT" in str(caught.value)


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(StartupError, match="set PONDERD_HOST"):
        require_free_port("192.0.2.1", 8700, "PONDERD_HTTP_PORT")


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        require_free_port("127.0.0.1", port, "X")


def test_a_log_that_grew_too_big_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.daemon.local.processes.LOG_LIMIT", 10)
    children = Children(tmp_path)
    for _ in range(2):
        children.start("a", python("print('a long line of log')"), os.environ).wait()
    assert children.log("a").read_text() == "a long line of log\n"
    assert children.log("a").with_suffix(".log.1").read_text() == "a long line of log\n"
