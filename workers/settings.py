"""Settings of the workers: the state server, the model server, how much to do at once."""

from __future__ import annotations

import math
import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from ponderd.channels.settings import CommaList, PonderdSettings
from ponderd.workers.redis_url import TLS_FILES, parse_redis_url

CLOSING_SECONDS = 30.0
"""Most seconds in which a worker gives back what it could not finish, and exits."""


class WorkerSettings(PonderdSettings):
    broker_url: str | None = Field(
        None,
        description="Redis or Valkey for Celery's pokes; default: PONDERD_REDIS_URL; needed if "
        "that one is a cluster, which Celery cannot use",
    )
    redis_url: str | None = Field(
        None,
        description="Redis or Valkey for all state, such as redis://127.0.0.1:6379/0; the primary "
        "that Sentinels name: redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/service; or one node "
        "of a cluster: redis+cluster://10.0.0.1:6379; with TLS rediss; without it, `ponderd up` "
        "starts an embedded one",
    )
    state_replicas: int = Field(
        0,
        ge=0,
        description="replicas that must have a message before it is accepted, and an intent before "
        "a tool runs or a reply leaves; the same for the daemon and all workers",
    )
    model_url: str | None = Field(
        None,
        pattern=r"^https?://.+/v1/?$",
        description="base URL of an OpenAI-compatible model server, ending in /v1; without it, "
        "`ponderd up` starts an embedded one",
    )
    model: str | None = Field(
        None, description="name of the model to use; default: the first that the server lists"
    )
    model_api_key: SecretStr | None = Field(
        None, description="bearer token for the model server, if it asks for one"
    )
    model_timeout: float = Field(
        300, gt=0, description="seconds that one model call may take before it is tried again"
    )
    drain_seconds: float | None = Field(
        None,
        ge=0,
        description="seconds for which a worker that is told to stop finishes its model calls and "
        "tools; default: PONDERD_MODEL_TIMEOUT; a second SIGTERM ends it at once",
    )
    model_patience: float = Field(
        6 * 3600,
        ge=0,
        description="seconds for which a message waits for a model server that is away, before its "
        "sender is told that there is no answer",
    )
    thinking_short: int | None = Field(
        None,
        ge=16,
        description="thinking tokens in mode short; default: 256 on llama.cpp, 1024 on vLLM",
    )
    thinking_long: int | None = Field(
        None,
        ge=16,
        description="thinking tokens in mode long; default: 1024 on llama.cpp, 8192 on vLLM",
    )
    thinking_cap: int | None = Field(
        None,
        ge=0,
        description="most thinking tokens of any call, whatever its agent allows",
    )
    thinking_learning: bool = Field(
        True,
        description="learn from outcomes how hard to think; if false, fixed rules decide",
    )
    thinking_ledger: int = Field(
        5_000,
        ge=100,
        description="entries to keep in each agent's ledger of model calls, up to 600 bytes each",
    )
    keep_thoughts: bool = Field(
        True, description="keep the model's thoughts in the log of each run"
    )
    context_chars: int = Field(
        12_000, ge=1_000, description="most characters of the conversation that one model call sees"
    )
    price_prompt: float = Field(
        0, ge=0, description="price of a million prompt tokens, for budgets of money"
    )
    price_completion: float = Field(
        0, ge=0, description="price of a million tokens that the model writes or thinks"
    )
    agents_dir: CommaList = Field((), description="folders with more agent files, comma-separated")
    config: Path | None = Field(
        None,
        description="the file ponderd.toml with routes and policies; the same for the daemon and "
        "all workers; default: ./ponderd.toml if it exists",
    )
    slots: int = Field(
        500, ge=1, description="runs that one worker process advances at the same time"
    )
    function_memory: int = Field(
        512,
        ge=16,
        description="megabytes that a check, a `describe` or an approval function of an agent may "
        "take",
    )
    isolated_tools: int = Field(
        4, ge=1, description="isolated tools that one worker process runs at the same time"
    )
    lease_seconds: float = Field(
        15,
        ge=0.2,
        description="seconds after which a run is taken from a worker that no longer reports",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|json|console)$",
        description="json, console, or auto: console if standard error is a terminal",
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )

    archive: str | None = Field(
        None,
        description="where finished runs are archived: a folder or s3://bucket/prefix; the same "
        "for the daemon and all workers; default: the folder archive in the data folder",
    )
    keep_days: float = Field(
        30,
        ge=0,
        description="days after its last event when a finished run is archived; 0: never",
    )
    asleep: str | None = Field(
        None,
        description="where the logs of runs that sleep are kept: a folder or s3://bucket/prefix; "
        "the same for the daemon and all workers, or no run falls asleep; default: the folder "
        "asleep in the data folder",
    )
    sleep_after_hours: float = Field(
        24,
        ge=0,
        le=87_600,
        description="hours after its last event when a run that waits or is paused falls asleep: "
        "its log leaves Redis until something happens to it; 0: never",
    )

    @property
    def sleep_after(self) -> float:
        """In seconds."""
        return self.sleep_after_hours * 3600

    @property
    def broker(self) -> str:
        """The URL of Celery's broker. Needs `redis_url`."""
        assert self.redis_url is not None
        return self.broker_url or self.redis_url

    @property
    def drain(self) -> float:
        """Seconds for which a worker that is told to stop finishes what it has begun."""
        return self.model_timeout if self.drain_seconds is None else self.drain_seconds

    @property
    def grace(self) -> int:
        """Seconds after which whoever told a worker to stop may kill it."""
        return math.ceil(self.drain + CLOSING_SECONDS)

    @property
    def agent_folders(self) -> tuple[Path, ...]:
        return tuple(Path(folder).expanduser().absolute() for folder in self.agents_dir)

    @property
    def config_file(self) -> Path | None:
        """PONDERD_CONFIG, or else ./ponderd.toml if it exists, or else None."""
        by_default = Path("ponderd.toml").absolute()
        return self.config or (by_default if by_default.exists() else None)

    @field_validator("broker_url", "redis_url")
    @classmethod
    def _urls_can_be_read(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return None
        parsed = parse_redis_url(value)
        if parsed.kind == "cluster" and info.field_name == "broker_url":
            raise ValueError("Celery cannot use a cluster; name one server or Sentinels")
        for name in sorted(TLS_FILES & parsed.tls_options.keys()):
            if not os.access(str(parsed.tls_options[name]), os.R_OK):
                raise ValueError(f"{name}: {parsed.tls_options[name]} cannot be read")
        return value

    @field_validator("redis_url")
    @classmethod
    def _a_cluster_needs_a_broker(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (
            value
            and parse_redis_url(value).kind == "cluster"
            and info.data.get("broker_url", "") is None
        ):
            raise ValueError("Celery cannot use a cluster; set PONDERD_BROKER_URL as well")
        return value

    @field_validator("agents_dir")
    @classmethod
    def _folders_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for folder in value:
            if not Path(folder).expanduser().is_dir():
                raise ValueError(f"{folder} is not a folder")
        return value
