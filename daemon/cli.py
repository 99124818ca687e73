"""The command `ponderd`. Each command imports what it needs, so `ponderd --help` is fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ponderd.channels.errors import PonderdError, StartupError, Unauthenticated, Unavailable
from ponderd.channels.own_secrets import hide
from ponderd.channels.text import one_line
from ponderd.daemon.commands import deliveries, runs, schedules, store, thinking
from ponderd.daemon.commands.approvals import approvals
from ponderd.daemon.commands.replay import replay
from ponderd.daemon.commands.retry import retry
from ponderd.daemon.commands.snapshot_checks import check
from ponderd.daemon.commands.terminal import Json, coloured, complain, emit_json, say

if TYPE_CHECKING:
    from ponderd.daemon.configuration import Configuration

EXIT_CODES = """\b
Exit codes:
  0  success
  1  failure
  2  wrong usage, or a wrong or missing setting
  3  the run waits for a person (a question, an approval, a pause)
  4  the run failed or was cancelled
  5  ponderd does not answer or cannot reach its state: try again later
"""

app = typer.Typer(
    name="ponderd",
    help="One message in, exactly one answer back: a daemon that runs small agents for a team.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs.app.command(epilog="Example: ponderd runs retry --status FAILED --since 2h --dry-run")(retry)
runs.app.command(epilog="Example: ponderd runs check")(check)
runs.app.command(epilog="Example: ponderd runs replay 0c-mha1v2k8-9f3c1a2b7d --model small")(replay)
app.add_typer(runs.app, name="runs")
app.add_typer(schedules.app, name="schedules")
app.add_typer(thinking.app, name="thinking")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(store.app, name="store")

LogsAsJson = Annotated[bool, typer.Option("--json", help="Log in JSON, one object per line.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Always ends in SystemExit; each error is one line on stderr."""
    try:
        app(arguments, prog_name="ponderd")
    except PonderdError as error:
        complain(hide(str(error)))
        sys.exit(_exit_code(error))


def _exit_code(error: PonderdError) -> int:
    match error:
        case StartupError():
            return error.exit_code
        case Unauthenticated():
            return 2
        case Unavailable():
            return 5
        case _:
            return 1


@app.command(epilog="Example: ponderd up")
def up(as_json: Json = False) -> None:
    """Run everything on this machine. Whatever is not configured comes embedded."""
    configuration = _load()
    from ponderd.daemon.local.up import run_up

    code = run_up(
        configuration.channels, configuration.workers, configuration.daemon, as_json=as_json
    )
    raise typer.Exit(code)


@app.command(epilog="Example: PONDERD_REDIS_URL=redis://127.0.0.1:6379/0 ponderd serve")
def serve(as_json: LogsAsJson = False) -> None:
    """Run the daemon: HTTP, mail, Slack and schedules. Needs PONDERD_REDIS_URL and an API token."""
    configuration = _load_process("ponderd serve", as_json, "redis_url", "api_token")
    from ponderd.daemon.api.server import serve as run

    raise typer.Exit(run(configuration.channels, configuration.workers, configuration.daemon))


@app.command(epilog="Example: PONDERD_REDIS_URL=… PONDERD_MODEL_URL=… ponderd work")
def work(as_json: LogsAsJson = False) -> None:
    """Run one worker. Needs PONDERD_REDIS_URL and PONDERD_MODEL_URL."""
    configuration = _load_process("ponderd work", as_json, "redis_url", "model_url")
    from ponderd.workers.execution.tasks import work as run

    raise typer.Exit(run(configuration.workers, configuration.channels))


@app.command(epilog='Example: echo "What is 17 * 23?" | ponderd chat')
def chat(
    agent: Annotated[str, typer.Argument(help="The agent to talk to.")] = "assistant",
    as_json: Json = False,
) -> None:
    """Talk to an agent. Each line is a message.

    /quit, Ctrl-D or the end of the input ends the conversation. With --json, print the run after
    each message, one JSON object per line.
    """
    from ponderd.daemon.commands.chat import run_chat

    raise typer.Exit(run_chat(runs.connect(), agent, as_json=as_json))


@app.command(epilog='Example: ponderd launch assistant "What is 17 * 23?"')
def launch(
    agent: Annotated[str, typer.Argument(help="The agent to ask.")],
    text: Annotated[str, typer.Argument(help="The message.")],
    conversation: Annotated[
        str | None,
        typer.Option(help="Name of the conversation; a known one continues its run."),
    ] = None,
    reply_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Also post the answer to this URL.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the answer and print it.")] = True,
    as_json: Json = False,
) -> None:
    """Send a message to an agent and print the answer."""
    from ponderd.daemon.commands.outcome import report

    api = runs.connect()
    view = api.launch(
        agent, text, channel="api", by=runs.me(), conversation=conversation, reply_to=reply_to
    )
    raise typer.Exit(report(api, view, wait=wait, as_json=as_json))


app.command(epilog="Example: ponderd approvals")(approvals)


@app.command(epilog="Example: ponderd settings --env > ponderd.env")
def settings(
    env: Annotated[bool, typer.Option("--env", help="Print an environment file to fill in.")] = (
        False
    ),
    grace: Annotated[
        bool,
        typer.Option("--grace", help="Print the seconds that a worker may take to stop."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show all settings. For each its value (secrets are masked), its source and its meaning."""
    if grace:
        print(_load().workers.grace)
        return
    if env:
        from ponderd.daemon.configuration import env_example

        print(env_example(), end="")
        return
    values = _load().values()
    if as_json:
        emit_json(
            [
                {
                    "name": value.setting.name,
                    "value": value.value,
                    "source": value.source,
                    "default": value.setting.default,
                    "description": value.setting.description,
                    "secret": value.setting.secret,
                }
                for value in values
            ]
        )
        return
    for value in values:
        shown = "not set" if value.value is None else value.value or '""'
        source = "" if value.source == "default" else coloured(f" ({value.source})", "cyan")
        print(f"{coloured(value.setting.name, 'green')} = {shown}{source}")
        say(f"    {value.setting.description}")


@app.command(epilog="Example: ponderd doctor")
def doctor(as_json: Json = False) -> None:
    """Check everything that ponderd needs, and say what to do. Exit code 1 if a check fails."""
    from ponderd.daemon.commands.doctor import examine

    checks = examine()
    healthy = all(check.level != "fail" for check in checks)
    if as_json:
        emit_json({"ok": healthy, "checks": [check.model_dump() for check in checks]})
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for check in checks:
            level = coloured(f"{check.level:<4}", colours[check.level])
            advice = f"; {check.advice}" if check.advice else ""
            print(f"{level}  {check.name:<13} ", end="")
            say(one_line(f"{check.found}{advice}", 500))
    raise typer.Exit(0 if healthy else 1)


@app.command(epilog="Example: ponderd version")
def version(as_json: Json = False) -> None:
    """Show the version."""
    import importlib.metadata

    number = importlib.metadata.version("ponderd")
    if as_json:
        emit_json({"version": number})
    else:
        print(f"ponderd {number}")


def _load(**overrides: str) -> Configuration:
    from ponderd.daemon import configuration

    loaded = configuration.load(**overrides)
    for warning in loaded.warnings:
        complain(warning)
    return loaded


def _load_process(command: str, as_json: bool, *needed: str) -> Configuration:
    configuration = _load(log_format="json") if as_json else _load()
    configuration.require(command, *needed)
    from ponderd.daemon.logs import configure_logs

    configure_logs(configuration.workers.log_level, configuration.workers.log_format)
    return configuration


if __name__ == "__main__":
    main()
