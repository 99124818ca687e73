"""The embedded model server: llama.cpp serves one GGUF file on loopback, in its own process.

`python -m ponderd.daemon.local.model_server --model FILE --port N [--parent PID]`. It speaks the
OpenAI API under /v1. GET /health gives 503 while the file loads (2 to 8 s). SIGTERM ends it at
once, since it keeps no state. With `--parent` it also ends when that process, its parent, is gone.
With PONDERD_MODEL_API_KEY in its environment it answers only who has that key, but for /health.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ponderd.channels.errors import MissingExtra

MODEL_NAME = "qwen2.5-coder-1.5b-instruct"
SLOTS = 2
"""Requests that are answered at a time: one per core of a small machine. Each further slot would
begin with a cold prompt, and slow the others."""
CONTEXT_TOKENS = 32_768
"""Tokens of all slots together."""
CACHE_MIB = 512
"""Memory for the prefixes of prompts that are in no slot now."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="model_server", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--parent", type=int, help="end when this parent process is gone")
    parser.add_argument("--inspect", action="store_true", help="serve /slots and /metrics, too")
    options = parser.parse_args(arguments)
    # Python runs its own handlers only after C code returns, and llama.cpp does not return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if options.parent is not None:
        threading.Thread(target=_end_with, args=(options.parent,), daemon=True).start()
    if not options.model.is_file():
        print(f"{options.model} is not a file", file=sys.stderr)
        return 1
    try:
        require_installed()
    except MissingExtra as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return serve(options.model, options.port, inspect=options.inspect)


def require_installed() -> None:
    """Raises `MissingExtra` without xllamacpp. Does not import it, since that takes seconds."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("model server", "local", "set PONDERD_MODEL_URL")


def serve(model: Path, port: int, *, inspect: bool = False) -> int:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 2
    # Not on the command line, which all users of the machine can read.
    if key := os.environ.get("PONDERD_MODEL_API_KEY"):
        params.api_keys = [key]
    params.endpoint_metrics = params.endpoint_slots = inspect
    params.verbosity = 2  # warnings; 3 would log ten lines per request
    params.ui = False
    params.cors_origins = ""
    params.cache_ram_mib = CACHE_MIB
    params.use_jinja = True
    params.chat_template = Path(__file__).with_name("chat_template.jinja").read_text("utf-8")
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_DEEPSEEK
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(f"llama.cpp does not start with {model} on port {port}: {error}", file=sys.stderr)
        return 1
    print(f"serving {model} at {server.listening_address}", flush=True)
    threading.Event().wait()
    return 0


def _end_with(parent: int) -> None:
    # When a parent dies, its children get another one. os._exit, because sys.exit would only end
    # this thread.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
