"""That no input, however odd, takes longer to read than in proportion to its size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

SECONDS = 40.0
"""Several times what the slowest of these takes; what is quadratic takes far more."""


@contextlib.contextmanager
def in_linear_time() -> Iterator[None]:
    """Counts what this process computes, not how long that takes on a busy machine."""
    began = time.process_time()
    yield
    spent = time.process_time() - began
    assert spent < SECONDS, f"{spent:.1f} s of computing"
