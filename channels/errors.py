"""Every error ponderd raises on purpose, on one screen. Those without a file name are here.

Exception
├── PonderdError                fit to show to a person
│   ├── Refused                 the sender must change something; sending it again is no use
│   │   ├── Malformed           400 · SMTP 554   not JSON, not MIME, a field of the wrong type
│   │   ├── Unauthenticated     401 · SMTP 550   signature or token missing or wrong
│   │   ├── Forbidden           403 · SMTP 550   known sender, but not allowed to do this
│   │   ├── NotFound            404 · SMTP 550   no such agent, source, mailbox or run
│   │   ├── Conflict            409 · SMTP 554   key with another body; run over; decided
│   │   └── TooLarge            413 · SMTP 552
│   ├── Unavailable             503 · SMTP 451 · Slack not acknowledged: send it again later
│   ├── DeliveryError           a reply could not be sent (`permanent`: trying again is no use)
│   ├── ModelError              the model server gave no answer (`retryable`, `too_long`)
│   │   └── BadRequest          it refused a field of the request (workers/llm/http.py)
│   └── StartupError            exit code 1 (2 for a wrong setting): one line that says what to do
│       └── MissingExtra        exit code 2: pip install "ponderd[…]"
├── LeaseLost                   another worker may have the run now (workers/execution/leases.py)
├── SourceError                 the model file is not to be had there (daemon/local/model_file.py)
└── OSError
    └── RefusedAddress          a callback to a private address (channels/webhook/callback.py)
"""

from __future__ import annotations

from typing import ClassVar


class PonderdError(Exception):
    """Base of all errors in the tree above; `str(error)` is fit to show to a person."""


class Refused(PonderdError):
    http_status: ClassVar[int] = 400
    smtp_status: ClassVar[str] = "554 5.6.0"


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


class Unavailable(PonderdError):
    """Nothing was stored: the sender keeps the message and tries again."""

    http_status: ClassVar[int] = 503
    smtp_status: ClassVar[str] = "451 4.3.0"


class DeliveryError(PonderdError):
    """A channel could not send a reply.

    `permanent` says that no later attempt can succeed; `retry_after` (seconds) is the other
    side's own wish for when to try again.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class ModelError(PonderdError):
    """The model server gave no usable response to one call, after `attempts` tries.

    `too_long` says that the prompt exceeds the model's context window; `at_work` that the model may
    have been writing when it failed, which was paid for.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        too_long: bool = False,
        at_work: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.too_long = too_long
        self.at_work = at_work
        self.retry_after = retry_after


class StartupError(PonderdError):
    """ponderd cannot start; the message is one line that says what to do."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class MissingExtra(StartupError):
    """What was asked for comes with an extra of ponderd that is not installed here."""

    def __init__(self, what: str, extra: str, otherwise: str = "") -> None:
        other_way = f" (or {otherwise})" if otherwise else ""
        super().__init__(f'no {what}: pip install "ponderd[{extra}]"{other_way}', exit_code=2)
