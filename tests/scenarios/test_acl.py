"""The rights and the TLS that docs/operations.md names are enough, and no more than it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from ponderd.daemon.local import state_server
from tests.scenarios.script import script
from tests.services.eventually import PATIENCE, eventually, wait_until
from tests.services.model_server import ScriptedModel
from tests.services.ports import free_port
from tests.services.stack import Stack, running
from tests.services.state_server import StateServer

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def named_rights() -> str:
    found = re.search(r"^user ponderd on .*$", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[0]


def named_default() -> str:
    found = re.search(r"^user default .*$", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[0]


def make_certificates(folder: Path) -> None:
    """A CA of our own, and a certificate of its for 127.0.0.1."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for command in (
        f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca",
        f"req {key} -keyout server.key -out server.csr -subj /CN=state",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem "
        "-days 2 -extfile names",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def has_tls() -> bool:
    """The embedded server has none, that of Debian has."""
    without_a_certificate = (state_server.find_binary(), "--port", "0", "--tls-port", "1")
    said = subprocess.run(without_a_certificate, capture_output=True, text=True, timeout=PATIENCE)
    return "No tls-cert-file" in said.stdout


async def test_the_documented_acl_is_enough_over_tls(tmp_path: Path, data_dir: Path) -> None:
    if not has_tls():
        pytest.skip("needs a redis-server with TLS")
    make_certificates(tmp_path)
    port = free_port()
    server = StateServer(
        tmp_path,
        more_config=f"tls-port {port}\ntls-cert-file {tmp_path}/server.pem\n"
        f"tls-key-file {tmp_path}/server.key\ntls-ca-cert-file {tmp_path}/ca.pem\n"
        f"tls-auth-clients no\n{named_rights()}\n",
    )
    url = f"rediss://ponderd:PASSWORD@127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"
    with server:
        async with ScriptedModel(script) as model:
            stack = Stack(url, model.url, data_dir)
            async with running(stack) as client:
                run_id = await client.launch("assistant", "hello")
                await client.until(run_id, "COMPLETED")

                # The news of a cancel reach the worker: the call of the model is dropped.
                model.gate.clear()
                held = await client.launch("assistant", "wait")
                await eventually(lambda: model.in_flight > 0)
                assert (await client.post(f"/runs/{held}/cancel", {"by": "ann"}))[0] == 200
                await eventually(lambda: model.disconnects > 0)
                await client.until(held, "CANCELLED")
                with redis.Redis.from_url(server.url, decode_responses=True) as admin:
                    assert admin.pubsub_numsub("ponderd:news") == [("ponderd:news", 1)]
                    refused = admin.acl_log()
                assert refused == []
                assert (await client.get("/readyz"))["ready"]
                said = stack.log("serve") + stack.log("work-0")
                assert not re.search("Traceback|NOPERM|NoPermission", said)

        with redis.Redis.from_url(url, db=0) as ponderd:
            for command in (["CONFIG", "GET", "*"], ["FLUSHALL"], ["GET", "other"], ["KEYS", "*"]):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    ponderd.execute_command(*command)


def test_with_the_documented_acl_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """Servers load their file in the name of the default user, and drop what it may not do."""
    for binary in {str(state_server.find_binary()), shutil.which("redis-server")} - {None}:
        folder = tmp_path / Path(str(binary)).name
        folder.mkdir()
        port = free_port()
        (folder / "acl.conf").write_text(
            f'bind 127.0.0.1\nport {port}\ndir {folder}\nappendonly yes\nsave ""\n'
            f"{named_rights()}\n{named_default()}\n"
        )
        for start in ("first", "second"):
            server = subprocess.Popen([str(binary), folder / "acl.conf"], stdout=subprocess.DEVNULL)
            try:
                url = f"redis://ponderd:PASSWORD@127.0.0.1:{port}/0"
                with redis.Redis.from_url(url) as ponderd:
                    wait_until(lambda client=ponderd: _answers(client))
                    if start == "first":
                        write = "redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 1)"
                        ponderd.eval(write, 2, "{ponderd:00}:a", "{ponderd:00}:b")
                    assert ponderd.mget("{ponderd:00}:a", "{ponderd:00}:b") == [b"1", b"1"]
            finally:
                server.terminate()
                server.wait(PATIENCE)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
