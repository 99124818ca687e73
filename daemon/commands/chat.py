"""`ponderd chat`: a conversation in the terminal, or with piped input."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Iterator

from ponderd.channels.errors import Conflict, Forbidden, Malformed, TooLarge, Unavailable
from ponderd.daemon.commands.api_client import Api
from ponderd.daemon.commands.outcome import Outcome, await_outcome, exit_code, explain
from ponderd.daemon.commands.runs import decide_or_tell, me
from ponderd.daemon.commands.terminal import coloured, complain, emit_json, hint, say, thinking


def run_chat(api: Api, agent: str, *, as_json: bool) -> int:
    """Run the conversation. Returns the exit code of the last message if input is piped, else 0."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    chat = _Chat(api, agent)
    code = 0
    if interactive:
        hint(f"Talking to {agent}. /quit or Ctrl-D ends, Ctrl-C stops waiting.")
    for line in _typed() if interactive else sys.stdin:
        text = line.strip()
        if text == "/quit":
            break
        if not text:
            continue
        try:
            outcome = chat.ask(text)
        except (Unavailable, Malformed, TooLarge, Conflict, Forbidden) as error:
            if not interactive:
                raise
            complain(str(error))
        except KeyboardInterrupt:
            if not interactive:
                raise
            hint(f"the run continues; its answer will come with the next{chat.how_to_stop()}")
        else:
            code = exit_code(outcome.view)
            if as_json:
                emit_json(outcome.view)
            else:
                _show(outcome, agent, interactive)
    return 0 if interactive else code


class _Chat:
    def __init__(self, api: Api, agent: str) -> None:
        self._api = api
        self._agent = agent
        self._conversation = f"terminal-{secrets.token_hex(8)}"
        self._run_id = ""
        self._seen = 0
        self._waits_for_approval = False
        self._shown: set[str] = set()

    def ask(self, text: str) -> Outcome:
        """Send a message and wait. The conversation is one run: a message answers its question, or
        opens it again."""
        with thinking() as note:
            if self._waits_for_approval:
                view = decide_or_tell(self._api, self._api.show(self._run_id), text)
            else:
                view = self._api.launch(
                    self._agent,
                    text,
                    channel="terminal",
                    by=me(),
                    conversation=self._conversation,
                )
            self._run_id = view["id"]
            outcome = await_outcome(self._api, self._run_id, self._seen, note, self._shown)
        self._seen = outcome.view["version"]
        self._waits_for_approval = outcome.view["waiting_for"] == "approval"
        return outcome

    def how_to_stop(self) -> str:
        return f"; to stop it: ponderd runs cancel {self._run_id}" if self._run_id else ""


def _typed() -> Iterator[str]:
    """The lines that a person types, until Ctrl-D. Ctrl-C discards a line."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (gives input() editing and history)
    while True:
        _forget_typed_ahead()
        try:
            yield input("> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()


def _forget_typed_ahead() -> None:
    """Discard typed input. A yes typed before the question was on screen must approve nothing."""
    with contextlib.suppress(ImportError, OSError):
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _show(outcome: Outcome, agent: str, interactive: bool) -> None:
    for reply in outcome.replies:
        if interactive:
            print(coloured(f"{agent}: ", "cyan"), end="")
        say(reply)
    if outcome.view["status"] in ("PAUSED", "CANCELLED") or not outcome.replies:
        explain(outcome.view)
