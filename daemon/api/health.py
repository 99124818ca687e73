"""Liveness, readiness, and metrics for Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import aiohttp
from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from ponderd.channels.errors import Unavailable
from ponderd.channels.own_secrets import hide
from ponderd.channels.text import one_line
from ponderd.daemon.mail_report import counted
from ponderd.daemon.refusals import REGISTRY
from ponderd.workers.control.deliveries import Deliveries
from ponderd.workers.control.schedule_view import TickCounts
from ponderd.workers.control.schedules import Schedules
from ponderd.workers.control.stranded import StrandedRuns, degraded
from ponderd.workers.execution.metrics import SECONDS_BUCKETS
from ponderd.workers.execution.pokes import Poker
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.contract import Gauges, RunStore

CHECK_SECONDS = 2.0
"""How long the answer may take: all that is looked at for it is looked at side by side."""


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, str]
    """What each part says: "ok", or what is wrong with it."""
    degraded: list[str] = []
    """What keeps single runs from going on."""


_TROUBLE = {
    "runs_set_aside": "Runs set aside because a step was begun too often without an outcome",
    "steps_failed": "Steps that ended in an error that nobody expects",
    "snapshots_wrong": "Snapshots of runs that did not say what the log says",
    "logs_not_understood": "Looks at runs whose events a worker could not read",
}
"""Counters of workers that say that something is wrong with a run."""


def health_routes(
    store: RunStore,
    poker: Poker,
    workers: WorkerSettings,
    deliveries: Deliveries,
    schedules: Schedules | None = None,
    stranded: StrandedRuns | None = None,
    misplaced: Callable[[], Awaitable[str | None]] | None = None,
) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Something is missing: `checks`."}},
    )
    async def ready() -> JSONResponse:
        """200 if a message would be answered: state, model and at least one worker respond."""
        checks = {"state": _state(store), "workers": _workers(store)}
        if workers.model_url:
            checks["model"] = _model(workers)
        lines, results = await asyncio.gather(
            _degraded(stranded, misplaced), asyncio.gather(*map(_check, checks.values()))
        )
        said = dict(zip(checks, results, strict=True))
        is_ready = all(result == "ok" for result in results)
        found = Readiness(ready=is_ready, checks=said, degraded=lines)
        return JSONResponse(found.model_dump(), 200 if is_ready else 503)

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={200: {"description": "In the text format of Prometheus."}},
    )
    async def metrics() -> Response:
        registry = CollectorRegistry()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                gauges, mail, undelivered, ticks = await asyncio.gather(
                    store.gauges(), counted(store), deliveries.counted(), ticked()
                )
                found = await stranded.counted() if stranded else {}
                length = await _queue(poker)  # in a thread: not while the store is frozen
            every = families(gauges, length, mail, undelivered, ticks, found)
            registry.register(_Families(every))
        except (Unavailable, TimeoutError):
            down = _gauge("ponderd_state_up", "State server answers", 0)
            registry.register(_Families([down, *REGISTRY.collect()]))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def ticked() -> Mapping[str, TickCounts]:
        return await schedules.counts() if schedules else {}

    return router


def families(
    gauges: Gauges,
    queue_length: int | None,
    mail: Mapping[str, float],
    undelivered: Mapping[str, int],
    ticks: Mapping[str, TickCounts] = MappingProxyType({}),
    stranded: Mapping[str, int] = MappingProxyType({}),
) -> list[Metric]:
    """The store's gauges and all counters as Prometheus metrics."""
    found: list[Metric] = [
        _gauge("ponderd_state_up", "State server answers", 1),
        _gauge("ponderd_workers", "Workers heard from in the last 10 s", gauges.workers),
        _gauge("ponderd_runs_in_flight", "Runs that a worker holds now", gauges.in_flight),
        _gauge("ponderd_runs_asleep", "Runs whose log is not in Redis", gauges.asleep),
        _gauge("ponderd_runs_overdue", "Runs that are due but not held", gauges.overdue),
        _gauge(
            "ponderd_oldest_lease_seconds",
            "Seconds for which a worker has held the run that it has held longest",
            gauges.oldest_lease,
        ),
    ]
    if queue_length is not None:
        found.append(
            _gauge("ponderd_queue_length", "Messages that no worker took yet", queue_length)
        )
    runs = GaugeMetricFamily("ponderd_runs", "Runs by status", labels=["status"])
    for status, count in sorted(gauges.runs.items()):
        runs.add_metric([status], count)
    tokens = CounterMetricFamily(
        "ponderd_model_tokens", "Tokens by thinking mode and kind", labels=["mode", "kind"]
    )
    decisions = CounterMetricFamily(
        "ponderd_thinking_decisions",
        "Model calls by arm (how hard to think) and by what became of the answer",
        labels=["arm", "verdict"],
    )
    overruns = CounterMetricFamily(
        "ponderd_thinking_budget_overruns",
        "Model calls that thought more than they were allowed to",
        labels=["arm"],
    )
    failed = CounterMetricFamily(
        "ponderd_delivery_failures",
        "Attempts to send a reply that failed, by channel and by whether time (passing), an "
        "operator (mendable) or nobody (permanent) can help",
        labels=["channel", "error"],
    )
    counted = {
        "tokens": tokens,
        "decisions": decisions,
        "budget_overruns": overruns,
        "delivery_failures": failed,
    }
    for (name, *labels), value in _split(gauges.counters):
        if name in counted:
            counted[name].add_metric(labels, value)
    failures = CounterMetricFamily(
        "ponderd_model_failures",
        "Model calls that failed after all their attempts",
        value=gauges.counters.get("model_failures", 0),
    )
    unconfirmed = CounterMetricFamily(
        "ponderd_unconfirmed",
        "Tools and replies that were put off because replicas did not confirm their intent",
        value=gauges.counters.get("unconfirmed", 0),
    )
    found += [
        CounterMetricFamily(f"ponderd_{name}", said, value=gauges.counters.get(name, 0))
        for name, said in _TROUBLE.items()
    ]
    refused = CounterMetricFamily(
        "ponderd_mail_braked",
        "Mails refused because they seem to be part of a loop or a flood",
        value=mail.get("refused", 0),
    )
    bounces = CounterMetricFamily(
        "ponderd_mail_bounces",
        "Reports that mail of ours did not arrive, or not yet",
        labels=["outcome"],
    )
    for outcome in ("bounced", "delayed"):
        bounces.add_metric([outcome], mail.get(outcome, 0))
    waiting = GaugeMetricFamily(
        "ponderd_deliveries",
        "Replies that did not arrive: tried again, tried while an operator has to mend something, "
        "or not tried any more",
        labels=["state"],
    )
    for state, number in undelivered.items():
        waiting.add_metric([state], number)
    found += [
        runs,
        tokens,
        decisions,
        overruns,
        failures,
        unconfirmed,
        refused,
        bounces,
        failed,
        waiting,
    ]
    found += [_ticks(ticks), _stranded(stranded)]
    found += REGISTRY.collect()
    return [*found, _latency(gauges.counters)]


async def _degraded(
    stranded: StrandedRuns | None, misplaced: Callable[[], Awaitable[str | None]] | None
) -> list[str]:
    """What does not keep messages from being answered, but some runs from going on."""
    lines: list[str] = []
    with contextlib.suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(CHECK_SECONDS):
            lines = degraded(await stranded.listed()) if stranded else []
            line = await misplaced() if misplaced else None
            lines = [*lines, line] if line else lines
    return lines


def _stranded(counts: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "ponderd_runs_stranded",
        "Runs that no worker can advance: none has their agent, or can read their events or log",
        labels=["reason"],
    )
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family


def _ticks(ticks: Mapping[str, TickCounts]) -> CounterMetricFamily:
    family = CounterMetricFamily(
        "ponderd_schedule_ticks",
        "Ticks of schedules by what became of them: started, joined, missed, overlapped",
        labels=["schedule", "outcome"],
    )
    for name, counts in ticks.items():
        for outcome, count in counts.model_dump().items():
            family.add_metric([name, outcome], count)
    return family


def _latency(counters: dict[str, float]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "ponderd_model_call_seconds", "Seconds of one model call, by thinking mode", labels=["mode"]
    )
    fields = dict(_split(counters))
    for mode in sorted({key[1] for key in fields if key[0] == "model_seconds_bucket"}):
        total = 0.0  # workers count each bucket alone, Prometheus wants running totals
        buckets: list[tuple[str, float]] = []
        for bound in (*map(str, SECONDS_BUCKETS), "+Inf"):
            total += fields.get(("model_seconds_bucket", mode, bound), 0)
            buckets.append((bound, total))
        family.add_metric([mode], buckets, fields.get(("model_seconds_sum", mode), 0))
    return family


def _split(counters: dict[str, float]) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, value in sorted(counters.items()):
        yield tuple(name.split("|")), value


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)


class _Families(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


async def _queue(poker: Poker) -> int | None:
    try:
        return await asyncio.wait_for(poker.queue_length(), CHECK_SECONDS / 2)
    except Exception:  # kombu passes on the errors of many transports
        return None


async def _check(check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:.0f} s"
    except Exception as error:
        return one_line(hide(str(error) or type(error).__name__), 500)
    return "ok"


async def _state(store: RunStore) -> None:
    await store.remember("readyz", "writable", ttl=1)  # a server that is full still answers a ping
    await store.check_replicas()


async def _workers(store: RunStore) -> None:
    if not (await store.gauges()).workers:
        raise Unavailable("no worker was heard from in the last 10 s")


async def _model(workers: WorkerSettings) -> None:
    key = workers.model_api_key
    headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{(workers.model_url or '').rstrip('/')}/models") as response,
    ):
        if response.status != 200:
            raise Unavailable(f"the model server answers {response.status}")
        served = [model.get("id") for model in (await response.json(content_type=None))["data"]]
        if not served or workers.model not in (None, *served):
            raise Unavailable(f"the model server does not serve {workers.model or 'any model'}")
