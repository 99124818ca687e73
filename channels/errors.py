"""Every error raised on purpose. Those without a file name are defined here.
Exception
├── PonderdError                its text may be shown to a person
│   ├── Refused                 the sender must change something; sending it again is useless
│   │   ├── Malformed           400 · SMTP 554   not JSON, not MIME, a field of the wrong type
│   │   ├── Unauthenticated     401 · SMTP 550   signature or token missing or wrong
│   │   ├── Forbidden           403 · SMTP 550   known sender, but not allowed to do this
│   │   ├── NotFound            404 · SMTP 550   no such agent, source, mailbox or run
│   │   ├── Conflict            409 · SMTP 554   key with another body; run ended; decided
│   │   ├── TooLarge            413 · SMTP 552
│   │   ├── Unsupported         415              a kind of body or encoding that is not read
│   │   └── TooMany             429 · SMTP 550   a loop, or more than is taken from one sender
│   ├── Unavailable             503 · SMTP 451 · Slack not acknowledged: send it again later
│   │   ├── AsleepError         a run's log is in the archive (workers/store/asleep.py)
│   │   ├── NoProcess           none for an author's code (workers/execution/author_code.py)
│   │   ├── StoreMoves          an id is of an older layout (workers/store/contract.py)
│   │   └── Unconfirmed         too few replicas have an intent (workers/execution/leases.py)
│   ├── DeliveryError           a reply could not be sent (`permanent`: trying again is useless)
│   ├── ModelError              the model server gave no answer (`retryable`, `too_long`)
│   │   └── BadRequest          it refused a field of the request (workers/llm/http.py)
│   └── StartupError            exit code 1 (2 for a wrong setting): one line that says what to do
│       └── MissingExtra        exit code 2: pip install "ponderd[…]"
├── LeaseLost                   another worker may have the run now (workers/execution/leases.py)
├── ToolStoppedError            it got no result (workers/execution/tool_call.py)
├── NotForUsError                a message in Slack asks for nothing (channels/slack/desk.py)
├── NotFetchedError              why a shared file has no content (channels/slack/files.py)
├── UnreadableError             why a file cannot be read, in words (channels/office/text.py)
├── TextFullError               a text has all that it may hold (channels/office/text.py)
├── NotKnownYetError             whether it is for us, its run will tell (channels/slack/hearing.py)
├── SourceError                 a source gave no more of the model (daemon/local/model_file.py)
└── OSError
    └── RefusedAddress          a callback to a private address (channels/webhook/callback.py)
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal


class PonderdError(Exception):
    """Base of all errors in the tree above. `str(error)` may be shown to a person."""


class Refused(PonderdError):
    """The sender must change something: the same message will be refused again."""

    http_status: ClassVar[int] = 400
    smtp_status: ClassVar[str] = "554 5.6.0"
    """Reply code and enhanced status code (RFC 3463). A 5xx code tells a mail server to give up."""


class Malformed(Refused):
    pass


class Unauthenticated(Refused):
    http_status = 401
    smtp_status = "550 5.7.1"


class Forbidden(Refused):
    http_status = 403
    smtp_status = "550 5.7.1"


class NotFound(Refused):
    http_status = 404
    smtp_status = "550 5.1.1"


class Conflict(Refused):
    http_status = 409


class TooLarge(Refused):
    http_status = 413
    smtp_status = "552 5.3.4"


class Unsupported(Refused):
    http_status = 415


class TooMany(Refused):
    """Come back later. Mail gets a 5xx all the same: a queue that tried again would keep a loop
    alive, and a person would not learn of it for hours."""

    http_status = 429
    smtp_status = "550 5.7.1"


class Unavailable(PonderdError):
    """Nothing was stored: the sender keeps the message and tries again."""

    http_status: ClassVar[int] = 503
    smtp_status: ClassVar[str] = "451 4.3.0"
    """A 4xx code tells a mail server to keep the mail in its queue."""


def kind_of(error: PonderdError) -> str:
    """The name of a kind of error, as a label: "not_found" for NotFound."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


class DeliveryError(PonderdError):
    """A channel could not send a reply.

    `permanent`: no later attempt can succeed. `mendable`: it can, once an operator has mended
    something (a token, a permission); tell them. `retry_after`: the seconds that the other side
    asked to wait; None if it did not say. `unreachable`: it is not about this address, but about
    the host, relay or provider behind it.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        mendable: bool = False,
        retry_after: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.mendable = mendable
        self.unreachable = unreachable
        self.retry_after = retry_after


ModelTrouble = Literal["away", "busy", "broken", "refused", "mendable"]


class ModelError(PonderdError):
    """The model server gave no usable response to one call, even after retries.

    `retryable`: the same call may succeed later. `too_long`: the prompt exceeds the model's context
    window. `at_work`: the model may have been writing when the call failed, so tokens were paid
    for. `retry_after`: the seconds that the server asked to wait; None if it did not say. `cause`:
    the server is away, busy, fails at this request (broken), refuses it, or has to be set up by an
    operator (mendable).
    """

    def __init__(
        self,
        message: str,
        *,
        cause: ModelTrouble | None = None,
        retryable: bool = True,
        too_long: bool = False,
        at_work: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.cause: ModelTrouble = cause or ("broken" if retryable else "refused")
        self.too_long = too_long
        self.at_work = at_work
        self.retry_after = retry_after


class StartupError(PonderdError):
    """ponderd cannot start. The message is one line that says what to do."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class MissingExtra(StartupError):
    """What was asked for comes with an extra of ponderd that is not installed here."""

    def __init__(self, what: str, extra: str, otherwise: str = "") -> None:
        other_way = f" (or {otherwise})" if otherwise else ""
        super().__init__(f'no {what}: pip install "ponderd[{extra}]"{other_way}', exit_code=2)
