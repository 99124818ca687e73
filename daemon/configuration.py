"""Reads all settings at once. Each problem is reported in one line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from ponderd.channels.errors import StartupError
from ponderd.channels.own_secrets import hide, remember_secrets
from ponderd.channels.redaction import HIDDEN
from ponderd.channels.settings import ChannelSettings, PonderdSettings
from ponderd.daemon import secrets
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.settings import WorkerSettings

PREFIX = "PONDERD_"
SettingSource = Literal["environment", "data folder", "default"]
S = TypeVar("S", bound=PonderdSettings)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable."""

    name: str
    default: str | None
    """As one would write it. None if there is no default, or if it depends on the user."""
    description: str
    secret: bool
    """Its value is never shown."""


@dataclass(frozen=True, slots=True)
class Value:
    """The current value of a setting."""

    setting: Setting
    value: str | None
    """Safe to show: secrets are masked. None: not set."""
    source: SettingSource


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings of all three floors."""

    channels: ChannelSettings
    workers: WorkerSettings
    daemon: DaemonSettings
    warnings: tuple[str, ...]
    """One line for each variable that nothing reads."""
    made: frozenset[str]
    """Names of the settings whose values `ponderd up` generated."""

    def require(self, command: str, *names: str) -> None:
        """Raises `StartupError` if one of the settings `names` is missing."""
        missing = [
            PREFIX + name.upper() for name in names if getattr(self._owner(name), name) is None
        ]
        if missing:
            them = "them" if len(missing) > 1 else "it"
            raise StartupError(
                f"{command} needs {' and '.join(missing)}; set {them} in the environment, "
                "or use `ponderd up`, which needs no settings and keeps its server to itself",
                exit_code=2,
            )

    def values(self) -> tuple[Value, ...]:
        return tuple(self._value(setting) for setting in describe())

    def _value(self, setting: Setting) -> Value:
        name = setting.name.removeprefix(PREFIX).lower()
        owner = self._owner(name)
        value = getattr(owner, name)
        source: SettingSource = "default"
        if name in self.made:
            source = "data folder"
        elif name in owner.model_fields_set:
            source = "environment"
        return Value(setting, None if value is None else _shown(name, _written(value)), source)

    def _owner(self, name: str) -> PonderdSettings:
        packages = (self.channels, self.workers, self.daemon)
        return next(owner for owner in packages if name in type(owner).model_fields)


def load(**overrides: str) -> Configuration:
    """Read the settings from the environment. `overrides` (by field name) take precedence.

    The API token, the webhook secret and the signing secret come from the data folder if they are
    not set. So commands find the ponderd that `ponderd up` started. Raises `StartupError`.
    """
    problems: dict[str, None] = {}  # a dict drops repeats: data_dir is a setting of all three
    channels = _read(ChannelSettings, overrides, problems)
    workers = _read(WorkerSettings, overrides, problems)
    daemon = _read(DaemonSettings, overrides, problems)
    if channels is None or workers is None or daemon is None:
        raise StartupError("\n".join(problems), exit_code=2)
    made = secrets.read(daemon.data_dir)
    used = set()
    # The running daemon may have been started with a token from the environment, which this command
    # does not see. So that one takes precedence over the generated one.
    token = secrets.read_token(daemon.data_dir) or (made.api_token if made else None)
    if token and daemon.api_token is None:
        daemon = daemon.model_copy(update={"api_token": SecretStr(token)})
        used.add("api_token")
    for name in ("webhook_secret", "signing_secret"):
        secret = getattr(made, name, "")
        if secret and getattr(channels, name) is None:
            channels = channels.model_copy(update={name: SecretStr(secret)})
            used.add(name)
    remember_secrets(
        getattr(owner, name).get_secret_value()
        for owner in (channels, workers, daemon)
        for name in type(owner).model_fields
        if isinstance(getattr(owner, name), SecretStr)
    )
    return Configuration(channels, workers, daemon, unknown(os.environ), frozenset(used))


def describe() -> tuple[Setting, ...]:
    """Every setting once: first those of the daemon, then of the channels, then of the workers."""
    found: dict[str, Setting] = {}
    for package in (DaemonSettings, ChannelSettings, WorkerSettings):
        for name, field in package.model_fields.items():
            found.setdefault(
                name,
                Setting(
                    name=PREFIX + name.upper(),
                    default=None
                    if field.default in (None, PydanticUndefined)
                    else _written(field.default),
                    description=field.description or "",
                    secret="SecretStr" in str(field.annotation),
                ),
            )
    return tuple(found.values())


def env_example() -> str:
    """An environment file that names every setting and sets none."""
    entries = (
        f"# {setting.description}\n#{setting.name}={setting.default or ''}\n"
        for setting in describe()
    )
    head = "# Settings of ponderd, from `ponderd settings --env`. Remove the # to set one."
    return "\n".join((head + "\n", *entries))


def unknown(environment: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each PONDERD_* variable that is not a setting."""
    known = [setting.name.removeprefix(PREFIX) for setting in describe()]
    lines = []
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        suggestion = f"; did you mean {PREFIX}{close[0]}?" if close else ""
        lines.append(f"{variable} is not a setting{suggestion}")
    return tuple(lines)


def without_credentials(url: str) -> str:
    """`url` with its user names, its passwords and the values in its query masked, but for those
    that are surely none."""
    without_login = re.sub(r"^([a-z0-9+.-]+://)?.*@", rf"\1{HIDDEN}@", url, flags=re.I | re.S)
    start, mark, query = without_login.partition("?")
    return start + mark + re.sub(rf"((?:^|&)(?!{_OPEN}=)[^=&]*=)[^&]*", rf"\1{HIDDEN}", query)


_OPEN = r"(?:db|virtual_host|ssl_\w+|protocol|(?:master_?|service_)?name)"
"""Parameters in the URL of a server that are no secret."""


def _read(settings: type[S], overrides: Mapping[str, Any], problems: dict[str, None]) -> S | None:
    try:
        return settings(**overrides)
    except ValidationError as error:
        problems |= dict.fromkeys(_problem(settings, found) for found in error.errors())
        return None


def _problem(settings: type[PonderdSettings], error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    field = settings.model_fields[name]
    context = error.get("ctx", {})
    match error["type"]:
        case "int_parsing":
            wrong = "is not a valid integer"
        case "float_parsing":
            wrong = "is not a valid number"
        case "greater_than_equal":
            wrong = f"must be at least {context['ge']:g}"
        case "greater_than":
            wrong = f"must be more than {context['gt']:g}"
        case "less_than_equal":
            wrong = f"must be at most {context['le']:g}"
        case "string_pattern_mismatch":
            wrong = f"is not valid; expected: {field.description or context['pattern']}"
        case "value_error":
            wrong = f"is not valid: {context['error']}"
        case _:
            wrong = f"is not valid: {error['msg']}"
    secret = "SecretStr" in str(field.annotation)
    value = "the value" if secret else repr(_shown(name, _written(error["input"])))
    return hide(f"{PREFIX}{name.upper()}: {value} {wrong}")


def _written(value: object) -> str:
    """`value` as one would write it in an environment variable."""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _shown(name: str, value: str) -> str:
    """`value` of the setting `name`, without secrets, whether it is valid or not."""
    is_place = name.endswith("_url") or "://" in value
    return hide(without_credentials(value) if is_place else value)
