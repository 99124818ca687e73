"""Many workers in one process: all that `ponderd work` is but for Celery's part.

    python -m tests.benchmarks.runtimes --count 40

Settings come from the environment. Says "ready", and ends with SIGTERM.
"""

from __future__ import annotations

import argparse
import signal

import structlog

from ponderd.channels.settings import ChannelSettings
from ponderd.workers.execution.runtime import Runtime
from ponderd.workers.settings import WorkerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    count = parser.parse_args().count
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    runtimes = [Runtime(WorkerSettings(), ChannelSettings()) for _ in range(count)]
    for runtime in runtimes:
        runtime.start()
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    for runtime in runtimes:
        runtime.stop(0)


if __name__ == "__main__":
    main()
