"""What the scripted model says: the last line that somebody said decides. Pure."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from tests.services.model_server import Line, Says

LONG = 4096
"""Tokens: above the short arm's budget, below the long one's."""


def script(body: dict[str, Any]) -> Line:
    """Of `!{json}` the JSON is what the model does; anything else is echoed in a reply."""
    last = str(body["messages"][-1]["content"]).partition("\n[asked]")[0]
    lines = [line for line in last.strip().splitlines() if not line.startswith("[note]")]
    said = lines[-1] if lines else ""
    order = re.search(r"!(\{.*\})", said)
    line = json.loads(order[1]) if order else {"action": "reply", "text": f"heard: {said[:200]}"}
    # A third of the answers are doubted until they were thought about for long.
    hard, budget = zlib.crc32(said.encode()) % 3 == 0, body.get("thinking_token_budget", 0)
    return Says(json.dumps(line), reasoning="hm " * 20, cut=hard and budget < LONG)
