"""What the scripted model says in scenarios."""

from __future__ import annotations

import json
import re
from typing import Any

from ponderd.workers.context.render import NEW
from tests.services.model_server import Line


def script(body: dict[str, Any]) -> Line:
    """The last thing said decides: of `!{json}` the JSON is what the model does; anything else,
    the result of a tool for example, is echoed in a reply."""
    last = str(body["messages"][-1]["content"]).partition("\n[asked]")[0]
    if order := re.search(r"!(\{.*\})", last):
        line: Line = json.loads(order[1])
        return line
    said = last.strip().splitlines()[-1].removeprefix(NEW)
    return {"action": "reply", "text": f"heard: {said[:200]}"}
