"""Message-IDs, in whatever spelling they stand in a header. Pure.

Nothing else may become an id: two mails that share one belong to one conversation.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ponderd.channels.mail.wire.address_tokens import tokens
from ponderd.channels.mail.wire.addresses import read_address

ID_LIMIT = 900
"""Characters of an id."""

_BARE = re.compile(r"[^\s<>()\[\]\",;:@\\]{1,400}@[^\s<>()\",;@\\]{1,400}")
# What programs write that have no id to name.
_NOTHING = frozenset(
    "undefined null none nil unknown n/a message-id messageid empty nan (null) false 0".split()
)


def read_ids(text: str, people: Collection[str] = ()) -> tuple[str, ...]:
    """The ids in a header, each as `<…>`, in order and once. The time is linear.

    `people`: the addresses of this mail, none of which is an id. Ids without brackets are read
    where nothing else stands; between prose ("Message from Ann of Tuesday <id>") the last one in
    brackets is meant.
    """
    text = text.replace("&lt;", "<").replace("&gt;", ">")
    parts = [part for part in tokens(text) if part.kind != "comment"]
    # A quoted id is an id; quoted prose is prose.
    words = " ".join(part.text for part in parts if part.kind in ("text", "quoted"))
    bare = [word.strip("<>'`.") for word in re.split(r"[\s,;]+", words)]
    bare = [word for word in bare if word]
    bracketed = [part.text for part in parts if part.kind == "angle"]
    for part in parts:
        if part.kind == "quoted" and part.text.startswith("<") and part.text.endswith(">"):
            bracketed.append(part.text[1:-1])
    if any(part.kind == "group" for part in parts):
        bare.append("prose:")
    found = [one for one in (_id(text, people) for text in bracketed) if one]
    only_ids = all(_BARE.fullmatch(word) for word in bare)
    if found:
        return tuple(dict.fromkeys(found if only_ids else found[-1:]))
    if not only_ids:
        return ()
    return tuple(dict.fromkeys(one for one in (_id(word, people) for word in bare) if one))


def _id(text: str, people: Collection[str]) -> str | None:
    inner = "".join(text.split())
    if len(inner) > 2 and inner[0] == inner[-1] and inner[0] in "\"'":
        inner = inner[1:-1]
    local, at, domain = inner.rpartition("@")
    name = (local if at else inner).lower()
    if name in _NOTHING or (at and not domain) or not inner or len(inner) > ID_LIMIT:
        return None
    if "<" in inner or ">" in inner or not inner.isprintable() or "\ufffd" in inner:
        return None
    if at and people and read_address(inner) in people:
        return None
    return f"<{inner}>"
