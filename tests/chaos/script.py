"""What the scripted model says: the last line that somebody said decides. Pure."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from tests.services.model_server import Line, Says


def script(body: dict[str, Any]) -> Line:
    """Of `!{json}` the JSON is what the model does; anything else is echoed in a reply."""
    last = str(body["messages"][-1]["content"]).partition("\n[asked]")[0]
    lines = [line for line in last.strip().splitlines() if not line.startswith("[note]")]
    said = lines[-1] if lines else ""
    order = re.search(r"!(\{.*\})", said)
    line = json.loads(order[1]) if order else {"action": "reply", "text": f"heard: {said[:200]}"}
    # Some answers are unsure until they were thought about, so that they are doubted.
    unsure = not body["chat_template_kwargs"]["enable_thinking"] and zlib.crc32(said.encode()) % 3
    return Says(json.dumps(line), reasoning="hm " * 20, logprob=-0.01 if not unsure else -2)
