"""What the README promises, with nothing but the embedded parts: start, write, get an answer, stop,
start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ponderd.daemon.settings import DaemonSettings
from tests.model.conftest import LETS_OTHERS_WORK
from tests.services.eventually import PATIENCE
from tests.services.ports import free_port

pytestmark = [pytest.mark.model, pytest.mark.timeout(1200)]


@contextmanager
def up(environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """`ponderd up`, from its start to Ctrl-C; gives its panel."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ponderd.daemon.cli", "up", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line, "ponderd up ended before it was ready"
        yield json.loads(line)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.terminate()  # not kill: it has servers to stop
        process.wait(PATIENCE)
        process.stdout.close()


def shell(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_four_printed_lines_are_answered_and_the_next_start_is_quick(data_dir: Path) -> None:
    environment = {
        **LETS_OTHERS_WORK,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(data_dir),
        "PONDERD_DATA_DIR": str(data_dir),
        "PONDERD_CACHE_DIR": str(DaemonSettings().cache_dir),
        "PONDERD_HTTP_PORT": str(free_port()),
        "PONDERD_SMTP_PORT": str(free_port()),
    }
    with up(environment) as panel:
        model = panel["model"].rpartition(" ")[2].removesuffix("/v1")
        key = json.loads((data_dir / "secrets.json").read_text())["model_key"]
        for path, without, with_key in (("/v1/models", 401, 200), ("/slots", 401, 501)):
            assert status_of(model + path) == without
            assert status_of(model + path, f"Bearer {key}") == with_key
        chat, webhook, mail, launch = panel["try_lines"]
        assert "391" in shell(launch, environment)
        assert "391" in shell(f"echo 'What is 17 * 23?' | {chat}", environment)
        run_id = json.loads(shell(webhook, environment))["run_id"]
        shell(mail, environment)
        [answer] = wait_for_mail(data_dir / "outbox")
        assert "391" in answer
        shown = json.loads(shell(f"ponderd runs show {run_id} --json", environment))
        assert shown["status"] in ("READY", "COMPLETED")
        unfinished = shell(
            "ponderd launch assistant 'What is 1234 * 77?' --no-wait --json", environment
        )
    with up(environment):
        run_id = json.loads(unfinished)["id"]
        text = shell(f"ponderd runs tail {run_id}", environment)
        assert "95018" in text or "95,018" in text


def status_of(url: str, authorization: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": authorization})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_for_mail(outbox: Path) -> list[str]:
    while not (mails := list(outbox.glob("*.eml"))):  # a model takes as long as it takes
        time.sleep(0.2)
    return [mail.read_text() for mail in mails]
