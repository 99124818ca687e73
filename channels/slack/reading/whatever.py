"""The text in what there is no reader for: nothing that a person sees may vanish. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from ponderd.channels.slack.reading.markup import plain
from ponderd.channels.slack.reading.view import View

# Fields that Slack does not show.
_UNSEEN = re.compile(
    r"(?:.{0,40}_)?(?:id|ids|ts|type|token|hash|width|height|bytes|icon|image|color|secret)"
    r"|(?!title_|join_).{1,40}_url|(?:is|has|dispatch|icon|image|thumb|color)_.{0,40}"
    r"|style|styles|verbatim|emoji|unicode|value|values|align|mode|level|size|confirm"
)

Reader = Callable[[dict[str, object]], str | None]


def whatever(found: object, view: View, read: Reader = lambda _: None) -> str:
    """Every text in `found`, in order, each once, one below the other.

    `read` says what a part says, or None if it does not know the kind.
    """
    texts: dict[str, None] = {}
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.setdefault(plain(value, view).strip())
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            said = read(value)
            if said is not None:
                texts.setdefault(said.strip("\n"))
            else:
                waiting.extend(
                    part
                    for name, part in reversed(value.items())
                    if _is_image(part) or not _UNSEEN.fullmatch(str(name).lower())
                )
    return "\n".join(text for text in texts if text)


def _is_image(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "image"
