"""What the scripted model says: the last line that somebody said decides. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.services.model_server import Line


def script(body: dict[str, Any]) -> Line:
    """Of `!{json}` the JSON is what the model does; anything else is echoed in a reply."""
    last = str(body["messages"][-1]["content"]).partition("\n[asked]")[0]
    lines = [line for line in last.strip().splitlines() if not line.startswith("[note]")]
    said = lines[-1] if lines else ""
    if order := re.search(r"!(\{.*\})", said):
        line: Line = json.loads(order[1])
        return line
    return {"action": "reply", "text": f"heard: {said[:200]}"}
