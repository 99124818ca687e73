"""The ledger: what a run's events mean for it, how outcomes find their calls, and that every worker
that reads it believes the same."""

import json

import pytest

from ponderd.channels.errors import Conflict, Unavailable
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.execution.leases import Leases
from ponderd.workers.run import events as e
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.thinking.learning import (
    REST,
    UNNOTICED,
    Learning,
    Tuned,
    forget,
    read_tuned,
    write_tuned,
)
from ponderd.workers.thinking.ledger import (
    KEPT_OF_CALL,
    KEPT_OF_DECISION,
    CallEntry,
    Ledger,
    OutcomeEntry,
    ResetEntry,
    answer_samples,
    decode,
    encode,
    episode_samples,
)
from ponderd.workers.thinking.policy import Policy
from ponderd.workers.thinking.rewards import QUIET_SECONDS
from tests.workers.world import CALLBACK, LAUNCH, REPLY, RING, World

ARMS = own_arms(short=256, long=1024)
LATER = 1e9


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """Learning may take long on a busy machine, and is not put off for that here."""
    usual = Learning.__init__.__kwdefaults__
    monkeypatch.setitem(usual, "stopwatch", lambda: 0.0)


class Watch:
    """Each look at it comes `each` seconds after the last."""

    def __init__(self):
        self.now, self.each = 0.0, 0.0

    def __call__(self):
        self.now += self.each
        return self.now


def call(version=3, *, episode=None, at=1000.0, **fields) -> CallEntry:
    usual = {
        "agent": "tester",
        "kind": "act",
        "conversation": "c0ffee",
        "arm": "none",
        "mode": "none",
        "budget": 0,
        "reason": "score",
        "probability": 0.5,
        "completion_tokens": 10,
    }
    return CallEntry(
        id=f"00-run:{version}", episode=f"00-run:{episode or version}", at=at, **{**usual, **fields}
    )


def outcome(version=3, source="thumb", reward=1.0, at=1001.0) -> OutcomeEntry:
    return OutcomeEntry(call=f"00-run:{version}", at=at, source=source, reward=reward)


def ledger(*entries) -> Ledger:
    found = Ledger()
    found.read((f"{k}-0", encode(entry)) for k, entry in enumerate(entries))
    return found


# -- folding -------------------------------------------------------------------------------------


def test_an_entry_is_read_as_it_was_written():
    for entry in (call(features={"bias": 1.0}, margin=-0.5, agrees=True), outcome()):
        assert decode(encode(entry)) == entry
    assert decode(b'{"type":"from the future"}') is None
    assert len(encode(call())) < 600


OLD = (
    b'{"id":"00-run:3","episode":"00-run:3","at":1000.5,"agent":"tester","kind":"act",'
    b'"conversation":"c0ffee","model":"qwen","channel":"slack","arm":"short","mode":"short",'
    b'"budget":256,"reason":"score","probability":0.25,"policy":"7-0","allowed":["none","short"],'
    b'"features":{"bias":1.0,"steps":0.5},"prompt_tokens":40,"cached_tokens":32,'
    b'"completion_tokens":90,"reasoning_tokens":80,"seconds":1.5,"margin":-0.25,'
    b'"verdict":"doubted","why":"margin","agrees":false,"type":"call"}'
)
"""As it was stored while an entry still had all fields of its own."""


def test_an_entry_of_an_older_version_is_read_and_what_is_stored_has_not_changed():
    entry = decode(OLD)
    assert isinstance(entry, CallEntry)
    assert (entry.status, entry.why, entry.agrees, entry.channel) == (
        "doubted",
        "margin",
        False,
        "slack",
    )
    assert (entry.call.model, entry.call.seconds, entry.call.margin) == ("qwen", 1.5, -0.25)
    assert entry.decision == ThinkingDecision(
        mode="short",
        arm="short",
        reason="score",
        budget=256,
        probability=0.25,
        features={"bias": 1.0, "steps": 0.5},
        policy="7-0",
        allowed=("none", "short"),
    )
    assert json.loads(encode(entry)) == json.loads(OLD)
    least = (
        b'{"id":"00-run:3","episode":"00-run:3","at":1.0,"agent":"tester","kind":"act",'
        b'"conversation":"c0ffee","arm":"none","mode":"none","budget":0,"reason":"default",'
        b'"probability":1.0,"model":"qwen","margin":0.0,"type":"call"}'
    )
    entry = decode(least)
    assert entry is not None
    assert json.loads(encode(entry)) == json.loads(least)


def test_of_a_call_only_what_the_ledger_keeps_is_stored():
    full = ModelCall(
        model="qwen",
        decision=ThinkingDecision(mode="short", frame="This needs care."),
        prompt_hash="a" * 64,
        cache_salt="b" * 43,
        priority=10,
        cost=1.0,
        context_chars=9,
    )
    stored = json.loads(encode(call().model_copy(update={"call": full})))
    assert not {"frame", "prompt_hash", "cache_salt", "priority", "cost", "attempts"} & set(stored)


def test_nothing_of_it_is_what_somebody_wrote():
    fields = {
        **CallEntry.model_fields,
        **{name: ModelCall.model_fields[name] for name in KEPT_OF_CALL},
        **{name: ThinkingDecision.model_fields[name] for name in KEPT_OF_DECISION},
    }
    assert {name for name, field in fields.items() if field.annotation is str} == {
        "id",
        "episode",
        "agent",
        "kind",
        "conversation",
        "model",
        "channel",
        "arm",
        "reason",
        "policy",
        "why",
    }


def test_an_episode_is_all_calls_for_one_message():
    told = ledger(
        call(3, status="doubted"), call(4, episode=3, arm="short", mode="short"), call(7)
    ).episodes(1000.0)
    assert [[found.id for found in one.calls] for one in told] == [
        ["00-run:3", "00-run:4"],
        ["00-run:7"],
    ]
    assert told[0].tokens == 20
    assert told[0].escalated
    assert not told[1].escalated


def test_an_outcome_finds_its_call_and_repeating_it_changes_nothing():
    (one,) = ledger(call(), outcome(), outcome()).episodes(1000.0)
    assert one.reward is not None
    assert (one.reward.value, one.reward.source) == (1.0, "thumb")


def test_what_people_say_counts_more_than_what_happened():
    (one,) = ledger(
        call(), outcome(source="tool", reward=0.2), outcome(source="approval", reward=1.0)
    ).episodes(LATER)
    assert one.reward is not None
    assert one.reward.value == 1
    (two,) = ledger(
        call(), outcome(source="approval", reward=1.0), outcome(source="thumb", reward=0.0)
    ).episodes(LATER)
    assert two.reward is not None
    assert two.reward.value == 0


def test_of_two_thumbs_the_later_one_counts():
    (one,) = ledger(call(), outcome(reward=1.0, at=1), outcome(reward=0.0, at=2)).episodes(LATER)
    assert one.reward is not None
    assert one.reward.value == 0


def test_that_nobody_complained_is_known_after_a_while_and_counts_little():
    book = ledger(call(), outcome(source="quiet", reward=0.85, at=1000.0))
    assert book.episodes(1000.0 + QUIET_SECONDS - 1)[0].reward is None
    (one,) = book.episodes(1000.0 + QUIET_SECONDS)
    assert one.reward is not None
    assert one.reward.source == "quiet"
    assert one.reward.weight < 0.5 < one.reward.value


def test_of_an_answer_that_nobody_got_nothing_is_known():
    (one,) = ledger(call()).episodes(LATER)
    assert one.reward is None


def test_an_episode_that_ended_unusable_was_no_good():
    (one,) = ledger(call(status="rejected", why="prose")).episodes(LATER)
    assert one.reward is not None
    assert (one.reward.value, one.reward.source) == (0, "unusable")


def test_the_oldest_are_forgotten_and_half_an_episode_is_left_out():
    book = Ledger(length=2)
    entries = [call(3), call(4, episode=3), call(7)]
    book.read((f"{k}-0", encode(entry)) for k, entry in enumerate(entries))
    assert len(book) == 2
    assert [one.first.id for one in book.episodes(LATER)] == ["00-run:7"]


def test_two_workers_may_note_the_calls_of_an_episode_in_another_order():
    calls = [call(4, episode=3, arm="short", mode="short"), call(3, status="doubted")]
    (one,) = ledger(*calls, outcome(4)).episodes(LATER)
    assert [found.decision.arm for found in one.calls] == ["none", "short"]
    assert one.reward is not None


def test_what_was_forgotten_is_gone():
    found = ledger(call(3), outcome(3), ResetEntry(at=5.0), call(7)).episodes(LATER)
    assert [one.first.id for one in found] == ["00-run:7"]


def test_what_the_learner_is_taught_about_arms():
    (one,) = episode_samples(
        ledger(
            call(3, status="doubted", features={"bias": 1.0}),
            call(4, episode=3, arm="short", mode="short", completion_tokens=90),
            outcome(4, reward=1.0),
        ).episodes(LATER)
    )
    assert (one.arm, one.tokens, one.reward, one.features) == ("none", 100, 1.0, {"bias": 1.0})


@pytest.mark.parametrize(
    ("agrees", "reward", "right"), [(True, 1.0, 1.0), (True, 0.0, 0.0), (False, 1.0, 0.0)]
)
def test_what_the_learner_is_taught_about_margins(agrees, reward, right):
    first, *rest = answer_samples(
        ledger(
            call(3, status="doubted", margin=-2.0),
            call(4, episode=3, arm="short", mode="short", margin=-0.1, agrees=agrees),
            outcome(4, reward=reward),
        ).episodes(LATER)
    )
    assert (first.arm, first.right) == ("short", reward)
    (doubted,) = rest
    assert (doubted.arm, doubted.margin, doubted.right) == ("none", -2.0, right)
    assert (doubted.then, doubted.then_right) == ("short", reward)


def test_of_two_answers_that_differ_and_are_no_good_the_first_may_have_been_right():
    _, doubted = answer_samples(
        ledger(
            call(3, status="doubted", margin=-2.0),
            call(4, episode=3, arm="short", mode="short", margin=-0.1, agrees=False),
            outcome(4, reward=0.0),
        ).episodes(LATER)
    )
    assert doubted.right is None


# -- what events mean ----------------------------------------------------------------------------


class Worker:
    """The world's worker, with a memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.learning = Learning(world.store, {"tester": world.agent}, keep=1000, clock=world.clock)
        leases = Leases(world.store, "worker", 10, self.learning.observe)
        world.executor = world.worker(leases=leases)

    async def entries(self) -> list:
        await self.learning.flush()
        return [decode(data) for _, data in await self.world.store.notes("tester", "", 1000)]

    async def outcomes(self, *, quiet=False) -> list[tuple[str, str, float]]:
        """That answers arrived, only if asked."""
        return [
            (entry.call.rpartition(":")[2], entry.source, entry.reward)
            for entry in await self.entries()
            if isinstance(entry, OutcomeEntry) and (quiet or entry.source != "quiet")
        ]

    async def calls(self) -> list[CallEntry]:
        return [entry for entry in await self.entries() if isinstance(entry, CallEntry)]


@pytest.fixture
def worker(world):
    return Worker(world)


async def test_every_model_call_is_noted_with_its_decision(world, worker):
    world.model.lines = [RING, REPLY]
    run_id = await world.write()
    await world.advance(run_id)
    first, second = await worker.calls()
    assert first.id == f"{run_id}:3"
    assert first.episode == second.episode == f"{run_id}:3"
    assert (first.agent, first.kind, first.decision.arm) == ("tester", "act", "short")
    assert second.decision.reason == "held"
    assert first.decision.features["bias"] == 1
    assert first.status == "ok"
    assert first.conversation not in (run_id, "c")


async def test_rejected_and_doubted_answers_are_noted_too(world, worker):
    world.become(tools=world.agent.tools[:2])  # nothing destructive: it may begin without a thought
    worker = Worker(world)
    world.model.lines = ["prose", REPLY, RING, REPLY]
    world.model.margins = [None, -5.0, -0.1]
    await world.advance(await world.write())
    calls = await worker.calls()
    assert [(found.decision.arm, found.status, found.why) for found in calls] == [
        ("none", "rejected", "prose"),
        ("short", "doubted", "margin"),
        ("long", "ok", ""),
        ("long", "ok", ""),
    ]
    assert calls[2].agrees is False


@pytest.mark.parametrize(
    ("fields", "reward"),
    [
        ({"approve": True}, 1.0),
        ({"approve": False}, 0.0),
        ({"approve": True, "arguments": {"name": "other"}}, 0.5),
    ],
)
async def test_approved_edited_denied(world, worker, fields, reward):
    world.model.lines = [LAUNCH, REPLY]
    run_id = await world.write()
    await world.advance(run_id)
    await world.decide(run_id, by="api:boss", **fields)
    assert await worker.outcomes() == [("3", "approval", reward)]


async def test_a_failed_tool(world, worker):
    world.model.lines = [{"action": "fail", "name": "x"}, REPLY]
    await world.advance(await world.write())
    assert await worker.outcomes() == [("3", "tool", 0.2)]


async def test_asked_again_within_ten_minutes(world, worker):
    run_id = await world.write("how many bells are there")
    await world.advance(run_id)
    world.clock.now += 300
    await world.say(run_id, "how many bells are there?")
    assert await worker.outcomes() == [("3", "again", 0.2)]
    world.clock.now += 700
    await world.say(run_id, "how many bells are there?")
    assert len(await worker.outcomes()) == 1


async def test_a_webhook_that_sends_its_template_again_complains_of_nothing(world, worker):
    run_id = await world.write("disk full on host alpha", channel="webhook")
    await world.advance(run_id)
    await world.say(run_id, "disk full on host alpha")
    assert await worker.outcomes() == []


async def test_what_was_typed_before_the_answer_is_no_complaint_about_it(world, worker):
    world.model.lines = [RING, REPLY]
    run_id = await world.write("how many bells are there")

    async def meanwhile(n):
        if n == 1:
            await world.runs.message(run_id, "how many bells are there?", sender="ann")
            world.clock.now += 1

    world.model.before_answer = meanwhile
    await world.advance(run_id)
    await world.advance(run_id)
    assert await worker.outcomes() == []
    assert (await world.run(run_id)).outbox.answered_by == 10  # both were answered


async def test_a_new_question_is_no_complaint(world, worker):
    run_id = await world.write("how many bells are there")
    await world.advance(run_id)
    await world.say(run_id, "and what is the weather like?")
    assert await worker.outcomes() == []


async def test_feedback_is_about_the_answer_it_names(world, worker):
    world.model.lines = [RING, REPLY]
    run_id = await world.write()
    await world.advance(run_id)
    await world.runs.feedback(run_id, 1.0, by="ann", source="thumb")
    await world.runs.feedback(run_id, 0.3, by="grader", source="judge", answer=3)
    await world.advance(run_id)
    assert await worker.outcomes() == [("6", "thumb", 1.0), ("3", "judge", 0.3)]


async def test_an_answer_can_be_rated_before_we_know_that_it_arrived(world, worker):
    run_id = await world.write(channel="webhook", reply_to=CALLBACK)
    with pytest.raises(Conflict, match="no answer yet"):
        await world.runs.feedback(run_id, 1.0, by="ann", source="thumb")
    send = world.channel.send

    async def rated_at_once(reply, *, resend):
        receipt = await send(reply, resend=resend)
        await world.runs.feedback(run_id, 1.0, by="ann", source="thumb")
        return receipt

    world.channel.send = rated_at_once
    await world.advance(run_id)
    assert await worker.outcomes() == [("3", "thumb", 1.0)]


async def test_what_comes_of_a_draft_that_stood_is_an_outcome_of_the_call_that_wrote_it(world):
    world.become(tools=world.agent.tools[:2])
    worker = Worker(world)
    world.model.lines = [{"action": "reply", "text": "blue"}, "no JSON"]
    world.model.margins = [-4.0]
    run_id = await world.write()
    await world.advance(run_id)
    rejected = ["model_rejected"] * 3
    assert (await world.types(run_id))[2:7] == ["model_doubted", *rejected, "model_answered"]
    await world.runs.feedback(run_id, 1.0, by="ann", source="thumb")
    await world.runs.feedback(run_id, 0.5, by="x", source="judge", answer=7)
    await world.advance(run_id)
    assert await worker.outcomes() == [("3", "thumb", 1.0), ("3", "judge", 0.5)]
    (one,) = ledger(*await worker.entries()).episodes(LATER)
    assert one.reward.value == 1.0


async def test_an_answer_that_arrived_is_noted_once_for_all_who_wait(world, worker):
    run_id = await world.write()
    await world.advance(run_id)
    assert await worker.outcomes(quiet=True) == [("3", "quiet", 0.85)]


async def test_a_cancelled_run_earns_nothing(world, worker):
    world.model.lines = [LAUNCH, REPLY]
    run_id = await world.write()
    await world.advance(run_id)
    await world.runs.cancel(run_id, by="ann")
    await world.advance(run_id)
    assert await worker.outcomes(quiet=True) == []


async def test_a_fork_teaches_nothing(world, worker):
    run_id = await world.write()
    await world.advance(run_id)
    before = await worker.entries()
    fork = await world.runs.fork(run_id, at=None, by="ann", text="again")
    await world.advance(fork.id)
    assert await worker.entries() == before


# -- remembering ---------------------------------------------------------------------------------


def said(versions) -> list:
    return [entry for k in versions for entry in (call(k, at=k), outcome(k))]


async def note(store, *entries) -> None:
    await store.note("tester", [encode(entry) for entry in entries], 1000)


async def test_two_workers_believe_the_same(world):
    store = world.store
    one, two = (
        Learning(store, {"tester": world.agent}, keep=1000, clock=lambda: LATER) for _ in range(2)
    )
    await note(store, *said(range(3, 40)), outcome(5, reward=0.0))
    first = await one.refresh(Policy(), ARMS)
    await note(store, *said(range(40, 60)))
    first = await one.refresh(first, ARMS)
    second = await two.refresh(Policy(), ARMS)
    assert first.version == second.version != "rules"
    assert first.beliefs.rewarded == second.beliefs.rewarded == {"tester": 57}
    for arm in ARMS:
        ours = first.beliefs.rewards[arm.name].new_kind.mean
        assert list(ours) == list(second.beliefs.rewards[arm.name].new_kind.mean)


async def test_nothing_new_changes_nothing(world):
    learning = Learning(world.store, {"tester": world.agent}, keep=1000, clock=lambda: 5000.0)
    await note(world.store, call())
    policy = await learning.refresh(Policy(), ARMS)
    assert await learning.refresh(policy, ARMS) is policy


async def test_what_is_tuned_and_forgotten_holds_for_all(world):
    learning = Learning(world.store, {"tester": world.agent}, keep=1000, clock=lambda: LATER)
    await note(world.store, *said(range(3, 20)))
    policy = await learning.refresh(Policy(), ARMS)
    await write_tuned(world.store, Tuned(price=0.7))
    policy = await learning.refresh(policy, ARMS)
    assert policy.price == 0.7
    assert policy.beliefs.rewarded["tester"] == 17
    await forget(world.store, "tester", now=LATER)
    policy = await learning.refresh(policy, ARMS)
    assert (await read_tuned(world.store)).price == policy.price == 0.7
    assert policy.beliefs.rewarded == {}
    await note(world.store, call(99), outcome(99))
    assert (await learning.refresh(policy, ARMS)).beliefs.rewarded == {"tester": 1}


async def test_who_learns_for_long_rests_for_longer(world):
    watch = Watch()
    learning = Learning(world.store, {"tester": world.agent}, keep=1000, stopwatch=watch)
    watch.each = UNNOTICED + 0.1
    policy = await learning.refresh(Policy(), ARMS)
    await write_tuned(world.store, Tuned(price=0.7))
    watch.now += 0.1 * REST - watch.each - 0.2
    assert (await learning.refresh(policy, ARMS)).price is None
    watch.now += 0.2
    assert (await learning.refresh(policy, ARMS)).price == 0.7


async def test_a_store_that_is_away_loses_nothing_that_was_noted(world):
    learning = Learning(world.store, {"tester": world.agent}, keep=1000)
    world.executor = world.worker(leases=Leases(world.store, "w", 10, learning.observe))
    await world.advance(await world.write())
    world.store.available = False
    with pytest.raises(Unavailable):
        await learning.flush()
    world.store.available = True
    await learning.flush()
    await learning.flush()
    assert len(await world.store.notes("tester", "", 10)) == 2  # the call, and that it arrived


async def test_an_unreadable_choice_of_an_operator_is_none():
    store = MemoryStore()
    await store.overwrite("thinking:tuned", json.dumps({"price": 1, "from": "the future"}))
    assert await read_tuned(store) == Tuned()


async def test_the_ledger_has_a_bounded_length(world):
    learning = Learning(world.store, {"tester": world.agent}, keep=3)
    world.executor = world.worker(leases=Leases(world.store, "w", 10, learning.observe))
    for k in range(6):
        await world.advance(await world.write(f"message {k}", conversation=f"c{k}"))
        await learning.flush()
    assert len(await world.store.notes("tester", "", 100)) == 3


def test_only_what_the_daemon_appends_is_met_at_a_claim():
    from ponderd.workers.thinking.outcomes import FROM_OUTSIDE

    assert e.ModelAnswered not in FROM_OUTSIDE
    assert {e.ApprovalAnswered, e.FeedbackReceived, e.MessageReceived} <= set(FROM_OUTSIDE)
