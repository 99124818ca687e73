"""The rights and the TLS that docs/operations.md names are enough, and no more than it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import redis

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.ports import free_port
from tests.services.stack import Stack, running
from tests.services.state_server import StateServer

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def named_rights() -> str:
    found = re.search(r"^user ponderd on .*$", PAGE.read_text(), re.MULTILINE)
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


async def test_the_documented_acl_is_enough_over_tls(tmp_path: Path, data_dir: Path) -> None:
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
