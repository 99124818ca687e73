"""Start and stop `vllm serve` for tests. Needs `make vllm-cpu`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.eventually import PATIENCE
from tests.services.ports import free_port

ROOT = Path(__file__).parents[3]
VENV = ROOT / ".venv-vllm"
MODEL = VENV / "model"
NAME = "smollm2"

START_SECONDS = 900

COMMON = (
    *("--host", "127.0.0.1", "--dtype", "float32", "--max-model-len", "4096"),
    *("--max-num-seqs", "32", "--enforce-eager", "--enable-prefix-caching"),
    *("--served-model-name", NAME, "--enable-prompt-tokens-details"),
)
FULL = (
    *("--scheduling-policy", "priority", "--reasoning-parser", "qwen3"),
    *("--structured-outputs-config", '{"backend":"xgrammar","disable_any_whitespace":true}'),
)
"""As docs/operations.md wants it."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_USE_AOT_COMPILE": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


def installed() -> bool:
    return (VENV / "installed").exists() and (MODEL / "model.safetensors").exists()


@dataclass
class VLLMServer:
    """`options` are those beside `COMMON`."""

    log: Path
    options: tuple[str, ...] = FULL
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def start(self) -> None:
        """Raises `RuntimeError` with the end of its log if it does not come up."""
        command = [str(VENV / "bin" / "vllm"), "serve", str(MODEL), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *COMMON, *self.options],
                env={**os.environ, **ENVIRONMENT, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"},
                stdout=log,
                stderr=log,
                start_new_session=True,  # its engine is a process of its own, and must go, too
            )
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"vllm did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.5)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.root}/health", timeout=PATIENCE):
                return True
        except OSError:
            return False

    def metrics(self) -> dict[str, float]:
        """Sums over labels, by name."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=PATIENCE) as response:
            text = response.read().decode()
        found: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("vllm:"):
                name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
                found[name] = found.get(name, 0.0) + float(value)
        return found

    def kill(self) -> None:
        """At once, with all its processes."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None
