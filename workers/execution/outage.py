"""When the model is asked again after it gave no answer, and who is told that it takes long.

While the server is away, most runs only look whether it is back; now and then one of them asks it.
So neither a thousand waiting runs hammer it, nor does any of them wait long after it is back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from ponderd.channels.errors import ModelError
from ponderd.channels.own_secrets import hide
from ponderd.channels.text import storable
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce_replies import to_tell
from ponderd.workers.run.state import Run

PAUSES = (2.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds until the next try, one for each failure in a row; the last one repeats."""

AWAY_PAUSE = 30.0
"""Most seconds until a run looks again while the server is away for all."""

PROBE_SECONDS = 5.0
"""While the server is away, a worker process asks it no more often than this."""

AWAY_AFTER = 3
"""So many calls in a row without any answer, of whatever runs, mean that the server is away."""

REFUSALS = 3
"""How often the model is asked if it refuses the request itself: that does not pass."""

FAULTS = 8
"""How often it is asked if it fails at this request, but answers others."""

DRAFT_AFTER = 5
"""How often it is asked again before an answer that was doubted is used after all."""

TELL_AFTER = 40.0
"""Seconds without an answer after which people are told at the next failure."""

NOTICE = (
    "The model that I think with does not answer at the moment. Your message is kept: I try again "
    "until it is back, and answer then."
)


@dataclass(slots=True)
class Outage:
    """What one worker process knows of the model server. Times are Unix seconds."""

    patience: float = 6 * 3600.0
    """Seconds for which a run waits for the model before it gives up."""
    failures: int = 0
    """Calls in a row that found no server."""
    error: str = ""
    answered_at: float = 0
    _probe_at: float = 0
    _random: random.Random = field(default_factory=random.Random)

    @property
    def away(self) -> bool:
        return self.failures >= AWAY_AFTER

    def answered(self, now: float) -> None:
        self.failures, self.answered_at = 0, now

    def may_ask(self, now: float) -> bool:
        """Whether a call may be made now. While the server is away, few may."""
        if not self.away:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_SECONDS
        return True

    def rests(self, run: Run, now: float) -> float | None:
        """Until when the run is to be left alone, because the server is away. None: go on."""
        since = run.effort.failing_since
        if not self.away or since is None or now >= self._probe_at:
            return None
        tells = now - since >= TELL_AFTER and to_tell(run)
        if tells or now - since >= self.patience:
            return None
        return now + AWAY_PAUSE * self._random.uniform(0.3, 1)

    def failed(self, run: Run, error: Exception, began: float, now: float) -> e.ModelFailed:
        """What to record after a call, or in place of one."""
        cause = error.cause if isinstance(error, ModelError) else "refused"
        self.error = hide(storable(str(error) or type(error).__name__))
        if cause == "away":
            self.failures += 1
        since = began if run.effort.failing_since is None else run.effort.failing_since
        tries, waited = run.effort.model_failures + 1, max(0.0, now - since)
        refused = cause == "refused" and tries >= REFUSALS
        if cause == "broken" and tries >= FAULTS:
            refused = self.answered_at > since
        # A doubted answer is better than none.
        over = refused or waited >= self.patience or bool(run.effort.draft and tries >= DRAFT_AFTER)
        tells = not over and cause != "refused" and waited >= TELL_AFTER and to_tell(run)
        return e.ModelFailed(
            at=now,
            error=self.error,
            retry_at=None if over else now + self._pause(tries, error),
            waited=waited,
            refused=refused,
            notice=NOTICE if tells else "",
        )

    def _pause(self, tries: int, error: Exception) -> float:
        planned = PAUSES[min(tries, len(PAUSES)) - 1]
        asked = error.retry_after if isinstance(error, ModelError) else None
        longest = AWAY_PAUSE if self.away else PAUSES[-1]
        return min(max(planned, asked or 0), longest) * self._random.uniform(0.75, 1)
