"""Settings of the daemon: ports, tokens, caches."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr

from ponderd.channels.settings import CommaList, PonderdSettings


class DaemonSettings(PonderdSettings):
    cache_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("ponderd"),
        description="folder for the embedded model, shared by all data folders of a user",
    )
    state_fsync: str = Field(
        "everysec",
        pattern="^(everysec|always)$",
        description="when the embedded state server writes to disk: everysec may lose the last "
        "second if the whole machine dies; always loses nothing, and is slower",
    )
    host: str = Field("127.0.0.1", description="address on which HTTP and SMTP listen")
    http_port: int = Field(8700, ge=1, le=65535, description="port of the HTTP API")
    smtp_port: int = Field(8725, ge=1, le=65535, description="port of the mail server")
    http_connections: int = Field(
        2_000, ge=10, description="HTTP connections at the same time; see docs/operations.md"
    )
    http_peer_connections: int = Field(
        1_000,
        ge=5,
        description="HTTP connections of one address at the same time; a proxy in front of ponderd "
        "is one address",
    )
    http_hosts: CommaList = Field(
        (),
        description="host names under which /metrics, /docs and /openapi.json are read; "
        "comma-separated; addresses, inner names and that of PONDERD_PUBLIC_URL work without it",
    )
    api_token: SecretStr | None = Field(
        None,
        description="bearer token of the HTTP API; `ponderd up` generates one if none is set",
    )
