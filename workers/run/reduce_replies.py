"""What is still to be said, and to whom: a part of `reduce`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ponderd.channels.message import Address, Inquiry, ReplyKind
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import approval_inquiry
from ponderd.workers.run.copies import replace
from ponderd.workers.run.state import Approval, Outgoing, Run, others
from ponderd.workers.run.undelivered import drop, still_first


def say(
    run: Run, kind: ReplyKind, text: str, inquiry: Inquiry | None = None, outcome: str = ""
) -> Run:
    """Say it to everybody who waits for the current message's outcome."""
    told = tuple(
        Outgoing(kind, text, _below(run, to), inquiry=inquiry, outcome=outcome)
        for to in audience(run)
    )
    for to in audience(run):
        run = still_first(run, to)
    return queue(run, run.outbox.queue + told)


def ask_too(run: Run, text: str, inquiry: Inquiry, to: Iterable[Address]) -> Run:
    """Ask people who are not in the conversation."""
    places = {(address.channel, address.to) for address in audience(run) if address}
    asked = tuple(
        Outgoing("question", text, address, inquiry=inquiry, beside=True)
        for address in to
        if (address.channel, address.to) not in places and not run.detached
    )
    return queue(run, run.outbox.queue + asked)


def notify(run: Run, text: str, to: Address | None, outcome: str = "") -> Run:
    """Say it beside the conversation, before everything that is not yet begun."""
    return _notify(run, Outgoing("notice", text, _below(run, to), outcome=outcome, beside=True))


def _notify(run: Run, notice: Outgoing) -> Run:
    waiting = run.outbox.queue
    begun = 1 if waiting and waiting[0].key else 0
    while begun < len(waiting) and waiting[begun].kind == "notice":
        begun += 1
    return queue(run, (*waiting[:begun], notice, *waiting[begun:]))


def post(run: Run, text: str, to: Address) -> Run:
    """Send a message that a tool asked for."""
    notice = Outgoing("notice", text, None if run.detached else to, beside=True)
    return queue(run, (*run.outbox.queue, notice))


def resolve(run: Run, approval: Approval, outcome: str) -> Run:
    """End the approval: ask nobody any more, and tell everybody who was asked.

    A question that is already on its way is finished, but it must not hold up what was decided.
    One that did not arrive is forgotten.
    """

    inquiry = approval_inquiry(run, approval)

    def asks(out: Outgoing) -> bool:
        return out.inquiry is not None and out.inquiry.id == approval.id

    kept = []
    for out in run.outbox.queue:
        if not asks(out):
            kept.append(out)
        elif out.key:
            kept.append(replace(out, beside=True))
    run = replace(run, work=replace(run.work, approval=None))
    run = _heard_after_all(drop(queue(run, kept), asks))
    places = {(address.channel, address.to) for address in audience(run) if address}
    last = {(posted.to.channel, posted.to.to): posted for posted in approval.posted}
    for posted in approval.posted:
        place = posted.to.channel, posted.to.to
        # In the conversation itself the run goes on to speak. Elsewhere one word is enough for the
        # question and its reminders, but in Slack the buttons of all of them must go.
        if posted.to.channel == "slack" or (place not in places and posted is last[place]):
            notice = Outgoing(
                "notice",
                f"{approval.text}\n{outcome}",
                _below(run, posted.to),
                resolves=posted.receipt,
                settles=inquiry,
                outcome=outcome,
                beside=True,
            )
            run = _notify(run, notice)
    return run


def detach(run: Run) -> Run:
    """Cut the run off from everybody outside: from now on it keeps what it says."""
    kept = tuple(replace(out, to=None, key=None) for out in run.outbox.queue if not out.beside)
    return replace(
        run,
        detached=True,
        message=replace(run.message, reply_to=None, listeners=()),
        inbox=replace(
            run.inbox,
            waiting=tuple(map(_without_address, run.inbox.waiting)),
            early=tuple(map(_without_address, run.inbox.early)),
            commands=tuple(map(_without_address, run.inbox.commands)),
        ),
        work=replace(
            run.work,
            approval=run.work.approval and replace(run.work.approval, posted=()),
            question=run.work.question and replace(run.work.question, posted=()),
        ),
        outbox=replace(run.outbox, queue=kept, undelivered=()),
    )


def _without_address(message: e.MessageReceived) -> e.MessageReceived:
    return message.model_copy(update={"reply_to": None})


def audience(run: Run) -> tuple[Address | None, ...]:
    return (run.message.reply_to, *run.message.listeners)


def to_tell(run: Run) -> tuple[Address, ...]:
    """Where people wait who do not know yet that the model is away. Programs see it in the run."""
    places = (*audience(run), *(message.reply_to for message in run.inbox.waiting))
    return tuple(
        to
        for to in others(places, None)
        if to.channel in ("slack", "email", "sms") and f"{to.channel}:{to.to}" not in run.told_away
    )


def queue(run: Run, outgoing: Iterable[Outgoing]) -> Run:
    """The run with exactly this to say."""
    return replace(run, outbox=replace(run.outbox, queue=tuple(outgoing)))


def _below(run: Run, to: Address | None) -> Address | None:
    """`to` in the thread that the first answer there began, if it names none itself."""
    return run.outbox.posts.get(place(to), to) if to and not to.thread else to


def place(to: Address) -> str:
    """How `Outbox.posts` names a place."""
    return f"{to.channel}:{to.to}"


def _heard_after_all(run: Run) -> Run:
    """Whoever wrote while a question could not be sent is next, now that it is answered elsewhere.
    While it is being sent, they wait until it is known whether it arrived."""
    inbox = run.inbox
    if not inbox.early or any(out.inquiry and out.key for out in run.outbox.queue):
        return run
    return replace(run, inbox=replace(inbox, waiting=inbox.waiting + inbox.early, early=()))
