"""Fill in the templates of routes beside the event loop, within limits.

A template may compute without end, and what it computes with comes from strangers. So this is done
in processes that are killed if it takes too long or too much memory, and kept for the next one.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from ponderd.channels.errors import Malformed, Unavailable
from ponderd.channels.killable import COMMAND, Pool
from ponderd.channels.webhook.template import Rendered, TimeIsUp, holds, render, variables_of

SECONDS = 10
"""How long the templates of a delivery may take together."""
CPU_SECONDS = 1.0
"""What one template may take of a processor."""
PROCESSES = 2
"""Deliveries whose templates are filled in at the same time."""
WAITING = 500
"""Deliveries that may wait for their turn. The senders of more are told to come back."""


class Renderer:
    """Fills in templates for a server."""

    def __init__(
        self,
        *,
        seconds: int = SECONDS,
        processes: int = PROCESSES,
        waiting: int = WAITING,
        command: Sequence[str] = (*COMMAND, __name__),
    ) -> None:
        self._seconds = seconds
        self._pool = Pool(processes, waiting, command, "webhooks")

    async def start(self) -> None:
        """Have a process ready for the first delivery. Raises Unavailable if none can be
        started."""
        await self._pool.start()

    async def render(
        self,
        templates: Mapping[str, str],
        payload: Any,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> dict[str, Rendered]:
        """Fill in the templates of a route; with a `when` that does not hold, only that.

        A template that fails is empty where it does. Raises Unavailable if too many wait or if the
        process ends: then nobody knows who wants the delivery, and its sender keeps it. Raises
        Malformed for a payload that is nested too deeply.
        """
        try:
            async with self._pool.turn(0):
                done = await self._pool.ask(
                    self._seconds, render_all, templates, payload, headers, query
                )
        except RecursionError:  # the pickle
            raise Malformed("the payload is nested too deeply") from None
        except TimeoutError:
            why = f"the templates take longer than {self._seconds} s"
            raise Unavailable(f"not stored, try again: {why}") from None
        except (EOFError, OSError):
            why = "the process that fills the templates in ended"
            raise Unavailable(f"not stored, try again: {why}") from None
        match done.kind, done.result:
            case "done", dict() as rendered:
                return rendered
            case "refused", Malformed() as error:
                raise error
            case "memory", _:
                return _failed(templates, "the templates take too much memory")
            case _:
                return _failed(templates, f"ponderd has a fault here: {done.result}")

    async def close(self) -> None:
        """End all processes."""
        await self._pool.close()


def _failed(templates: Mapping[str, str], why: str) -> dict[str, Rendered]:
    return {field: Rendered("", (why,)) for field in templates}


def render_all(
    templates: Mapping[str, str], payload: Any, headers: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, Rendered]:
    """What `Renderer.render` has done, in a process of its own."""
    sys.setrecursionlimit(5_000)  # payloads may be nested as deeply as the json module reads them
    signal.signal(signal.SIGVTALRM, _time_is_up)
    variables = variables_of(payload, headers, query)
    done = {}
    for field in sorted(templates, key=lambda field: field != "when"):
        done[field] = _bounded(templates[field], variables)
        if field == "when" and not holds(done[field].text):
            break
    return done


def _bounded(source: str, variables: Mapping[str, Any]) -> Rendered:
    try:
        # Of a processor, so that a busy machine does not make a template fail.
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        try:
            return render(source, variables)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except TimeIsUp:  # it came when the template was done
        return Rendered("", ("it takes too long",))


def _time_is_up(_: int, __: FrameType | None) -> None:
    raise TimeIsUp
