"""One run of the harness: load and faults, a quiet phase, the verdict."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ponderd.daemon.background import running
from ponderd.workers.run import events as e
from tests.chaos.check import Effect, Evidence, SeenRun, Violation, check, copies
from tests.chaos.faults import Faults
from tests.chaos.injector import Injector
from tests.chaos.load import Load
from tests.chaos.schedules import PLANNED
from tests.chaos.senders import AGENT, Senders
from tests.chaos.world import World, world
from tests.services.eventually import PATIENCE
from tests.services.stack import API_TOKEN

QUIET_SECONDS = 400.0
"""How long runs may take to come to rest once everything is healed: two failures of a delivery
and three of the model, whose pauses are 10 and 30 s then, may still be waited for, and on a busy
machine each step takes long."""

_SNAPSHOT_WRONG = re.compile(r'^\{.*"event": "a snapshot (is not what|or its log|cannot)')

Show = Callable[[str, int, int], None]
"""(what happens, done, of how many)"""

Enough = Callable[[Faults, int], bool]
"""(what struck, how many conversations there were): whether harm may end when its time is over."""


@dataclass
class Report:
    seed: int
    runs: int = 0
    messages: int = 0
    faults: Faults = field(default_factory=lambda: Faults(0, 0))
    violations: list[Violation] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)
    effects: int = 0
    unknown_outcomes: int = 0
    ratings: int = 0
    model_calls: int = 0
    doubted: int = 0
    noted: int = 0
    snapshots: int = 0
    slept: int = 0
    """Runs that were asleep at least once."""
    ticks: dict[str, int] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    log_errors: dict[str, int] = field(default_factory=dict)
    seconds: float = 0
    quiet_seconds: float = 0

    @property
    def clean(self) -> bool:
        return not self.violations

    def as_json(self) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        for violation in self.violations:
            counts[violation.kind] += violation.count
        return {
            "seed": self.seed,
            "runs": self.runs,
            "messages": self.messages,
            "faults": self.faults.total,
            "lost": counts["lost"],
            "doubled": counts["doubled"],
            "stuck": counts["stuck"],
            "wrong": counts["wrong"],
            "effects": self.effects,
            "unknown_outcomes": self.unknown_outcomes,
            "ratings": self.ratings,
            "model_calls": self.model_calls,
            "doubted": self.doubted,
            "noted": self.noted,
            "snapshots": self.snapshots,
            "slept": self.slept,
            "ticks": self.ticks,
            "copies": self.copies,
            "statuses": self.statuses,
            "seconds": round(self.seconds, 1),
            "quiet_seconds": round(self.quiet_seconds, 1),
            "kinds": dict(sorted(self.faults.counts.items())),
            "boundaries": dict(sorted(self.faults.boundaries.items())),
            "log_errors": self.log_errors,
            "details": self.details,
        }


async def chaos(
    seed: int,
    wanted: int,
    *,
    seconds: float,
    daemons: int = 2,
    workers: int = 3,
    enough: Enough = lambda faults, conversations: True,
    show: Show = lambda phase, done, total: None,
) -> Report:
    """Let `wanted` faults strike, or those of `seconds` and as long as that is not `enough`, and
    report what came of it."""
    started = time.monotonic()
    for noisy in ("aiohttp.server", "mail.log"):  # they tell of every client that went away
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    faults = Faults(seed, wanted)
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        async with world(Path(folder), faults, daemons=daemons, workers=workers) as here:
            senders = Senders(here, faults)
            load = Load(here, faults, senders)
            injector = Injector(here, faults)
            async with running(injector.tend()):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(load.run())
                    tasks.create_task(injector.run())
                    tasks.create_task(_watch(faults, load, seconds, enough, show))
                quiet = time.monotonic()
                await _pause_schedules(here, show)
                await _retry_deliveries(here)
                await _come_to_rest(here, show)
            report = Report(seed, faults=faults, quiet_seconds=time.monotonic() - quiet)
            evidence = await _look(here, load, show)
        # The processes are gone now, so their logs are complete.
        report.violations = check(evidence)
        report.violations += [
            Violation("wrong", what) for what in [*senders.refused, *here.misbehaved]
        ]
        _sum_up(report, evidence, here)
    report.seconds = time.monotonic() - started
    return report


async def _watch(faults: Faults, load: Load, seconds: float, enough: Enough, show: Show) -> None:
    deadline = time.monotonic() + seconds
    while not faults.over.is_set():
        show(f"{len(load.conversations)} conversations, faults", faults.total, faults.wanted)
        await asyncio.sleep(0.2)
        if time.monotonic() > deadline and enough(faults, len(load.conversations)):
            faults.over.set()


async def _come_to_rest(here: World, show: Show) -> None:
    deadline = time.monotonic() + QUIET_SECONDS
    most = 1
    while (left := await here.unfinished()) and time.monotonic() < deadline:
        most = max(most, left)
        show("coming to rest", most - left, most)
        await asyncio.sleep(0.2)


async def _retry_deliveries(here: World) -> None:
    """What did not arrive is sent again now, as an operator would have it."""
    deadline = time.monotonic() + QUIET_SECONDS
    await _request(here, "POST", "/deliveries/retry", deadline)


async def _pause_schedules(here: World, show: Show) -> None:
    """As soon as enough of their ticks came."""
    deadline = time.monotonic() + QUIET_SECONDS
    for planned in PLANNED:
        path = f"/schedules/{planned.name}"
        while time.monotonic() < deadline:
            view = await _request(here, "GET", path, deadline)
            started = view["ticks"]["started"]
            last = view["last"]  # None: it was adopted anew, or nothing has begun yet
            asks = view["overlap"] == "queue" and last and last["status"] == "SET_ASIDE"
            if started >= planned.least or asks:  # nobody here answers for a schedule
                break
            show(f"ticks of {planned.name}", started, planned.least)
            await asyncio.sleep(0.5)
        await _request(here, "POST", f"{path}/pause", deadline)


async def _request(
    here: World, method: str, path: str, deadline: float, body: dict[str, Any] | None = None
) -> Any:
    """Again as long as the answer is 503: connections that the harness has cut may only now be
    found dead."""
    headers = {"authorization": f"Bearer {API_TOKEN}"}
    while True:
        url = here.stack.url + path
        async with here.session.request(method, url, headers=headers, json=body) as response:
            if response.status == 503 and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                continue
            assert response.status == 200, await response.text()
            return await response.json()


async def _look(here: World, load: Load, show: Show) -> Evidence:
    deadline = time.monotonic() + PATIENCE

    async def get(path: str) -> Any:
        return await _request(here, "GET", path, deadline)

    snapshots, wrong, cursor = 0, _wrong_snapshots(here), None
    while True:  # before anything is read: also what nobody looks at must be right
        page = await _request(here, "POST", "/runs/check", deadline, {"cursor": cursor})
        snapshots += page["snapshots"]
        wrong.update(page["wrong"])
        if (cursor := page["cursor"]) is None:
            break
    listed: list[dict[str, Any]] = []
    following = ""
    while True:
        page = await get(f"/runs?limit=500{following}")
        listed += page["runs"]
        if page["cursor"] is None:
            break
        following = f"&cursor={page['cursor']}"
    runs: list[SeenRun] = []
    for head in listed:
        show("looking", len(runs), len(listed))
        log = (await get(f"/runs/{head['id']}/events"))["events"]
        for event in log:
            del event["version"]
        shown = await get(f"/runs/{head['id']}")
        runs.append(SeenRun(head, shown, e.decode_all([json.dumps(event) for event in log])))
    effects = [
        Effect(file.parent.name, **json.loads(file.read_text()))
        for file in here.effects.glob("*/*.json")
    ]
    ledger: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await get(f"/thinking/ledger?agent={AGENT}&after={after}")
        ledger += [entry["id"] for entry in page["entries"] if entry["type"] == "call"]
        after = page["next"]
    views = (await get("/schedules"))["schedules"]
    schedules = [
        (planned, view["ticks"])
        for planned in PLANNED
        for view in views
        if view["name"] == planned.name
    ]
    return Evidence(
        load.conversations,
        here.received,
        runs,
        effects,
        ledger,
        schedules,
        snapshots,
        sorted(wrong),
    )


def _sum_up(report: Report, evidence: Evidence, here: World) -> None:
    report.runs = len(evidence.runs)
    report.messages = sum(m.accepted for talk in evidence.conversations for m in talk.messages)
    report.effects = len(evidence.effects)
    report.ticks = {planned.name: counts["started"] for planned, counts in evidence.schedules}
    report.copies = copies(evidence.received)
    report.statuses = dict(Counter(str(run.shown["status"]) for run in evidence.runs))
    happened = Counter(type(event) for run in evidence.runs for event in run.log)
    report.unknown_outcomes = happened[e.ToolOutcomeUnknown]
    report.ratings = happened[e.FeedbackReceived]
    report.doubted = happened[e.ModelDoubted]
    report.model_calls = sum(
        happened[kind] for kind in (e.ModelAnswered, e.ModelRejected, e.ModelDoubted)
    )
    report.snapshots = evidence.snapshots
    report.slept = len(list((here.stack.data_dir / "asleep").rglob("*.jsonl")))
    report.noted = len(set(evidence.ledger))
    logs = [file.read_text(errors="replace") for file in here.stack.data_dir.glob("*.log")]
    report.log_errors = _errors(logs)
    for violation in report.violations[:50]:
        run = evidence.by_run.get(violation.run_id)
        lines = [line for log in logs for line in log.splitlines() if violation.run_id in line]
        report.details.append(
            {
                "kind": violation.kind,
                "what": violation.what,
                "run": violation.run_id,
                "events": [event.model_dump(mode="json") for event in run.log] if run else [],
                "log": lines[:100] if violation.run_id else [],
            }
        )


def _wrong_snapshots(here: World) -> set[str]:
    """Runs whose snapshot a worker found wrong, or could not read."""
    logs = (file.read_text(errors="replace") for file in here.stack.data_dir.glob("*.log"))
    lines = (line for log in logs for line in log.splitlines())
    return {json.loads(line)["run"] for line in lines if _SNAPSHOT_WRONG.search(line)}


def _errors(logs: list[str]) -> dict[str, int]:
    """What the processes called an error, and how often: nothing that was foreseen is one."""
    found: Counter[str] = Counter()
    for line in (line for log in logs for line in log.splitlines()):
        if '"level": "error"' in line or '"level": "critical"' in line:
            entry = json.loads(line)
            last = str(entry.get("exception", "")).strip().splitlines()[-1:]
            found[f"{entry.get('event')}: {''.join(last)}"[:300]] += 1
        elif not line.startswith("{") and ("Traceback" in line or "Error" in line):
            found[line[:300]] += 1
    return dict(found.most_common(30))
