"""Settings of the workers: where the state is, where the model is, how much at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from ponderd.channels.settings import CommaList, PonderdSettings


class WorkerSettings(PonderdSettings):
    broker_url: str | None = Field(
        None,
        pattern=r"^(rediss?|unix)://",
        description="Redis or Valkey for Celery's pokes; default: PONDERD_REDIS_URL. Needed when "
        "that is a cluster, which Celery cannot use",
    )
    redis_url: str | None = Field(
        None,
        pattern=r"^(rediss?(\+cluster)?|unix)://",
        description="Redis or Valkey that holds all state, e.g. redis://127.0.0.1:6379/0, or one "
        "node of a cluster, e.g. redis+cluster://10.0.0.1:6379; without it `ponderd up` starts an "
        "embedded one",
    )
    model_url: str | None = Field(
        None,
        pattern=r"^https?://.+/v1/?$",
        description="OpenAI-compatible base of the model server, ending in /v1; "
        "without it `ponderd up` starts an embedded one",
    )
    model: str | None = Field(
        None, description="model name to ask for; default: the first one the server lists"
    )
    model_api_key: SecretStr | None = Field(
        None, description="bearer token of the model server, if it wants one"
    )
    model_timeout: float = Field(
        300, gt=0, description="seconds one model call may take before it is tried again"
    )
    thinking_short: int | None = Field(
        None,
        ge=16,
        description="token budget of mode short; default: 256 on llama.cpp, 1024 on vLLM",
    )
    thinking_long: int | None = Field(
        None,
        ge=16,
        description="token budget of mode long; default: 1024 on llama.cpp, 8192 on vLLM",
    )
    thinking_cap: int | None = Field(
        None,
        ge=0,
        description="tokens that any call may think at most, whatever its agent says",
    )
    thinking_learning: bool = Field(
        True,
        description="learn from outcomes how hard to think; without it a table of rules decides",
    )
    thinking_ledger: int = Field(
        5_000,
        ge=100,
        description="entries that are kept of each agent's ledger of model calls, "
        "up to 600 bytes each",
    )
    keep_thoughts: bool = Field(
        True, description="keep in each run what the model thought before it answered"
    )
    context_chars: int = Field(
        12_000, ge=1_000, description="characters of conversation that one model call may see"
    )
    price_prompt: float = Field(
        0, ge=0, description="money per million prompt tokens, for limits of money"
    )
    price_completion: float = Field(
        0, ge=0, description="money per million tokens that the model writes or thinks"
    )
    agents_dir: CommaList = Field(
        (), description="folders, comma-separated, with further agent files"
    )
    config: Path | None = Field(
        None,
        description="ponderd.toml with routes and policies of agents, for the daemon and all "
        "workers; default: ./ponderd.toml if it is there",
    )
    slots: int = Field(500, ge=1, description="runs that one worker process advances at once")
    lease_seconds: float = Field(
        15,
        ge=0.2,
        description="how long a run belongs to a worker that is not heard from any more",
    )
    log_format: str = Field(
        "auto", pattern="^(auto|json|console)$", description="auto: console on a terminal"
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )

    archive: str | None = Field(
        None,
        description="where finished runs go before they expire: a folder, or s3://bucket/prefix; "
        "default: archive in the data folder. Daemon and workers must see the same",
    )
    keep_days: float = Field(
        30,
        ge=0,
        description="days after its last event that a finished run is archived; 0: never",
    )

    @property
    def broker(self) -> str:
        """The URL of Celery's broker. Needs `redis_url`."""
        assert self.redis_url is not None
        return self.broker_url or self.redis_url

    @property
    def agent_folders(self) -> tuple[Path, ...]:
        return tuple(Path(folder).expanduser() for folder in self.agents_dir)

    @property
    def config_file(self) -> Path | None:
        """None: there is no such file."""
        by_default = Path("ponderd.toml")
        return self.config or (by_default if by_default.exists() else None)

    @field_validator("redis_url")
    @classmethod
    def _a_cluster_needs_a_broker(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and is_cluster(value) and info.data.get("broker_url", "") is None:
            raise ValueError("Celery cannot use a cluster; set PONDERD_BROKER_URL as well")
        return value

    @field_validator("agents_dir")
    @classmethod
    def _folders_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for folder in value:
            if not Path(folder).expanduser().is_dir():
                raise ValueError(f"{folder} is not a folder")
        return value


def is_cluster(url: str) -> bool:
    return url.partition("://")[0].endswith("+cluster")
