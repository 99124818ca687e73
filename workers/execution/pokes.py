"""The Celery app. A Celery message is a poke: 'advance run X'. It may get lost or arrive twice.
Only speed depends on it, because the store knows what is due. When many runs begin at once, a
message pokes for several: Celery takes as long for a message as a run for a step."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from queue import Empty
from typing import Any
from urllib.parse import quote

import structlog
from celery import Celery
from kombu.transport import redis as redis_transport
from redis.exceptions import RedisError

from ponderd.channels.text import one_line
from ponderd.workers.redis_url import RedisUrl, parse_redis_url

log = structlog.get_logger(__name__)

ADVANCE = "ponderd.advance"
QUEUE = "ponderd"


# Do not keep pokes to acknowledge or restore them: losing one is harmless, but kombu 5.7 ends
# the worker (AttributeError) when it restores messages after a connection died.
redis_transport.Channel.do_restore = False
# Nor does an answer end it, whatever it is: the server became a replica, reads its data or is full,
# or something else answers at its address for a while. The worker connects anew, as after a
# connection that died.
_LOST = (*redis_transport.Transport.connection_errors, RedisError)
redis_transport.Transport.connection_errors = (Exception,)

_channels: Any = redis_transport.Channel
_read_poke = _channels._brpop_read


def _read_poke_or_drop(channel: Any, **options: Any) -> bool:
    """Nor does a thing in the queue end it that is no poke: not JSON, or of another shape."""
    before = set(channel.qos._delivered)
    try:
        return bool(_read_poke(channel, **options))
    except (Empty, *_LOST):
        raise
    except Exception as error:
        log.warning("a poke that is none was dropped", error=one_line(str(error), 200))
        for tag in set(channel.qos._delivered) - before:  # it would count as in work for ever
            channel.basic_reject(tag, requeue=False)
        return True


_channels._brpop_read = _read_poke_or_drop


def create_app(broker_url: str) -> Celery:
    """The app of daemon and workers. `broker_url` is one that `parse_redis_url` can read."""
    parsed = parse_redis_url(broker_url)
    app = Celery("ponderd", broker=kombu_url(parsed), set_as_current=False)
    tls = _tls(parsed)
    options: dict[str, Any] = {
        "global_keyprefix": "ponderd:celery:",
        "ack_emulation": False,
        "visibility_timeout": 3600,
        # Without these, a half-open connection to the broker hangs for minutes.
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "health_check_interval": 5,
    }
    if parsed.kind == "sentinel":
        login = {"username": parsed.sentinel_username, "password": parsed.sentinel_password}
        ask = login | {"socket_timeout": 2, "socket_connect_timeout": 2} | tls
        options |= {"master_name": parsed.service, "sentinel_kwargs": ask}
        options["sentinel_kwargs"] |= {"ssl": True} if parsed.tls else {}
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        # Nobody commands workers over the broker, and an ACL need not let its channels through.
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=4,
        broker_transport_options=options,
        **({"broker_use_ssl": tls} if parsed.tls else {}),
    )
    return app


def kombu_url(parsed: RedisUrl) -> str:
    """As kombu spells it. What concerns TLS and Sentinels is told to it in another way."""
    login = quote(parsed.username or "", safe="")
    if parsed.password:
        login += f":{quote(parsed.password, safe='')}"
    at = f"{login}@" if login else ""
    if parsed.kind == "socket":
        return f"redis+socket://{at}{parsed.path}?virtual_host={parsed.db}"
    scheme = "sentinel" if parsed.kind == "sentinel" else "rediss" if parsed.tls else "redis"
    hosts = ((f"[{host}]" if ":" in host else host, port) for host, port in parsed.hosts)
    return ";".join(f"{scheme}://{at}{host}:{port}/{parsed.db}" for host, port in hosts)


def _tls(parsed: RedisUrl) -> dict[str, Any]:
    if not parsed.tls:
        return {}
    needed = {
        "none": ssl.CERT_NONE,
        "optional": ssl.CERT_OPTIONAL,
        "required": ssl.CERT_REQUIRED,
    }
    return {
        **parsed.tls_options,
        "ssl_cert_reqs": needed[str(parsed.tls_options.get("ssl_cert_reqs", "required"))],
    }


# An idle worker asks its queue anew this often, in seconds. kombu asks every second.
redis_transport.Transport.brpop_timeout = 5


_close = _channels.close


def _hang_up(channel: Any) -> None:
    """Close a channel without waiting for the question that is under way."""
    if channel._in_poll:
        channel._in_poll.disconnect()
        channel._in_poll = None
    _close(channel)


_channels.close = _hang_up


JOINT = 8
"""Most runs that one message pokes for."""

WAITING = 10_000
"""Most pokes that wait for a broker that is slow. Older ones are given up: sweepers find their
runs."""


class Poker:
    """Pokes workers in the background. Never fails: the sweeper finds the run of a lost poke."""

    def __init__(self, broker_url: str) -> None:
        self._app = create_app(broker_url)
        self._waiting: deque[str] = deque(maxlen=WAITING)
        self._sending: asyncio.Task[None] | None = None

    def poke(self, run_id: str) -> None:
        """At once, if no poke is on its way; else with all that wait until then."""
        self._waiting.append(run_id)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(JOINT, len(self._waiting)))]
                try:
                    await asyncio.to_thread(self._app.send_task, ADVANCE, some, retry=False)
                except Exception as error:  # kombu raises many kinds
                    log.warning(
                        "poke not sent, the sweeper will find the runs", runs=some, error=str(error)
                    )
        finally:
            self._sending = None

    async def queue_length(self) -> int:
        """Messages that no worker has taken yet. Raises kombu's errors."""
        return await asyncio.to_thread(self._count)

    async def close(self) -> None:
        """Send what waits, and close."""
        if self._sending is not None:
            await asyncio.wait([self._sending])
        await asyncio.to_thread(self._app.close)

    def _count(self) -> int:
        with self._app.connection_for_read() as connection:
            return int(connection.default_channel._size(QUEUE))
