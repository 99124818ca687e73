"""What a client says to Redis, read from outside: whole commands, and what each is about. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from ponderd.workers.store.redis_store import scripts

_EVENT = re.compile(rb'"type":"(\w+)"')


def _scripts() -> dict[bytes, str]:
    """SHA-1 -> name of each script, as the store registers them."""
    return {
        hashlib.sha1(text.encode()).hexdigest().encode(): name for name, text in scripts().items()
    }


SCRIPTS = _scripts()


def take_commands(buffer: bytearray) -> Iterator[tuple[bytes, list[bytes]]]:
    """Cut whole commands off the front of `buffer`: as sent, and their words."""
    while (found := _command(buffer)) is not None:
        end, words = found
        raw = bytes(buffer[:end])
        del buffer[:end]
        yield raw, words


def _command(buffer: bytearray) -> tuple[int, list[bytes]] | None:
    end = buffer.find(b"\r\n")
    if end < 0:
        return None
    count, position, words = int(buffer[1:end]), end + 2, []
    for _ in range(count):
        end = buffer.find(b"\r\n", position)
        if end < 0:
            return None
        begin = end + 2
        position = begin + int(buffer[position + 1 : end]) + 2
        if position > len(buffer):
            return None
        words.append(bytes(buffer[begin : position - 2]))
    return position, words


def time_reply(now: float) -> bytes:
    """What the server answers to TIME."""
    words = (b"%d" % now, b"%d" % (now % 1 * 1e6))
    return b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def is_of_broker(words: list[bytes]) -> bool:
    return any(word.startswith(b"ponderd:celery:") for word in words[:3])


def is_report(words: list[bytes]) -> bool:
    """Whether a worker says that it takes runs."""
    match words:
        case [b"ZADD", key, since, _]:
            return key.endswith(b":workers") and since != b"0"
        case _:
            return False


def boundary(words: list[bytes]) -> str | None:
    """The step of a run's life that this command is: "commit:tool_started", "admit", "poke"."""
    match words:
        case [b"EVALSHA", sha, *arguments] if sha in SCRIPTS:
            name = SCRIPTS[sha]
            if name not in ("commit", "signal"):
                return name
            events = [_EVENT.search(word) for word in arguments if word.startswith(b"{")]
            types = [event[1].decode() for event in events if event]
            return f"{name}:{'+'.join(types) or 'release'}"
        case [b"LPUSH", *_] if is_of_broker(words):
            return "poke"
        case [b"SET", *_] if b"NX" in words:
            return "remember"
        case [b"LRANGE" | b"HMGET", *_]:
            return "read"
        case _:
            return None
