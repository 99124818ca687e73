"""The mail server: takes mail for agents and approvals, and says 250 only when it is stored.

It runs on the caller's event loop. TLS and spam filtering are left to the relay in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from ponderd.channels.attachments import keep
from ponderd.channels.blobs import Blobs, owner_of
from ponderd.channels.channel import Accept, AnswerInquiry, Bounced, Note
from ponderd.channels.errors import Forbidden, Refused, Unauthenticated, Unavailable, kind_of
from ponderd.channels.mail import postmaster
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.reading import Reader
from ponderd.channels.mail.receive import Letter, MailRules, judge, trigger_of, verdict_of
from ponderd.channels.mail.sender.authentication import authenticate, txt_records
from ponderd.channels.mail.sender.bounces import read_bounces
from ponderd.channels.mail.sender.proof import Evidence, proven_trigger, proven_verdict, weigh
from ponderd.channels.mail.sender.signatures import Lookup
from ponderd.channels.mail.session import RECIPIENTS, Gate, MailSession, Refusal
from ponderd.channels.mail.wire.header import HEADER_LIMIT, Header, read_header, split
from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.people import without_teams
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import one_line

POSTMASTER = "postmaster"
SMALL_HEADER = 16 * 1024
"""Bytes. A header that is no larger is judged at once."""
_FINGERPRINTED = 256 * 1024

log = structlog.get_logger(__name__)


class MailServer:
    (
        """`accept` and `answer` store what comes in, `bounced` what is reported of our own mail.
    `check` refuses a mail that is part of a loop. `agents` returns the mailboxes that exist now,
    `aliases` tells the agents of those that do not have the name of theirs.
    `blobs` keeps the files that come with mails. `lookup` asks DNS for the keys of senders.
    `refused` and `ignored` hear of each mail that starts nothing."""
        ""
    )

    def __init__(
        self,
        settings: ChannelSettings,
        accept: Accept,
        *,
        answer: AnswerInquiry,
        bounced: Bounced,
        check: Callable[[Trigger], Awaitable[None]],
        agents: Callable[[], Collection[str]],
        blobs: Blobs,
        refused: Note,
        ignored: Note,
        aliases: Mapping[str, str] | None = None,
        lookup: Lookup = txt_records,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._answer = answer
        self._bounced = bounced
        self._check = check
        self._blobs = blobs
        self._refused = refused
        self._ignored = ignored
        self._lookup = lookup
        self._agents = agents
        self._aliases = aliases or {}
        self._new_id = new_id
        self._reader = Reader()
        self._warming: asyncio.Task[None] | None = None
        self._gate = Gate(settings.mail_size)
        self._one_thread = asyncio.Lock()
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (0 chooses a free one). Raises OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._session, host, port)
        self._warming = asyncio.create_task(self._warm())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and hang up. Senders send a mail again that was not acknowledged."""
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
        assert self._warming is not None
        self._warming.cancel()
        await asyncio.wait([self._warming])
        await self._reader.close()
        self._server = None

    async def _warm(self) -> None:
        # Where nothing can be started now, the first mail tries it again.
        with contextlib.suppress(Unavailable):
            await self._reader.start()

    def _session(self) -> SMTP:
        session = MailSession(self, self._gate, self._settings.mail_domain, self._refused)
        self._sessions.add(session)
        return session

    def _rules(self) -> MailRules:
        domain = self._settings.mail_domain
        return MailRules(
            MailNames(domain, self._settings.signing_key),
            allow=self._settings.mail_allow or (f"@{domain}",),
            agents=frozenset(self._agents()),
            aliases=self._aliases,
            reply_all=self._settings.mail_reply_all,
            quote=self._settings.mail_quote,
        )

    # aiosmtpd calls the hooks below by their names.

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not _is_utf8(address):
            return "553 5.6.7 the address of the sender is not UTF-8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._recipient(envelope, address)
        if answer.startswith("2"):
            return answer
        return Refusal(answer, "recipient", f"to {one_line(address, 100)}: {answer}")

    def _recipient(self, envelope: Envelope, address: str) -> str:
        """Add a recipient, or not: the reply."""
        rules = self._rules()
        local = POSTMASTER if address == POSTMASTER else rules.is_ours.local_part(address)
        if local is None:
            domain = rules.names.domain
            return _ascii(f"550 5.7.1 relay denied: this server receives for {domain} only")
        if not rules.is_ours(address) and local != POSTMASTER:
            if not rules.allows(envelope.mail_from or ""):
                return "550 5.1.1 no such mailbox"
            known = ", ".join(sorted(rules.agents))
            return _ascii(f"550 5.1.1 no agent {local}; the agents are: {known}")
        if local in envelope.rcpt_tos:
            return "250 2.1.5 OK"
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return f"452 4.5.3 a mail may have up to {RECIPIENTS} recipients here"
        envelope.rcpt_tos.append(local)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)  # decode_data is off
        mail_from = envelope.mail_from or ""
        try:
            await self._deliver(content, mail_from, envelope.rcpt_tos)
        except (Refused, Unavailable) as error:
            why = str(error)
            told = without_teams(why)
            if isinstance(error, Unavailable):  # the addresses of our servers are for the log alone
                told = (
                    f"{why.partition(': ')[0].removesuffix(', try again later')}, try again later"
                )
            return Refusal(_ascii(f"{error.smtp_status} {told}"), kind_of(error), why)
        return "250 2.0.0 OK"

    async def _deliver(self, content: bytes, mail_from: str, mailboxes: Sequence[str]) -> None:
        """Store a mail for agents, and keep one for the postmaster, if that is no agent."""
        others = [local for local in mailboxes if local != POSTMASTER]
        if others == list(mailboxes):
            return await self._take(content, mail_from, mailboxes)
        if POSTMASTER in self._agents():
            # Anybody may write to a postmaster: what the agent must not read, the operator may.
            with contextlib.suppress(Forbidden):
                return await self._take(content, mail_from, mailboxes)
        folder = self._settings.data_dir / POSTMASTER
        try:
            path = await asyncio.to_thread(postmaster.keep, content, mail_from, folder)
        except OSError as error:
            raise Unavailable(f"mail to {POSTMASTER} cannot be kept: {error.strerror}") from error
        if others:
            try:
                await self._take(content, mail_from, others)
            except (Refused, Unavailable):
                path.unlink(missing_ok=True)  # a refusal means that nothing was stored
                raise
        log.warning("mail for the postmaster", sender=one_line(mail_from), file=str(path))
        return None

    async def _take(self, content: bytes, mail_from: str, mailboxes: Sequence[str]) -> None:
        """Store what a mail says. Raises Refused, Unavailable.

        One mail may go to several mailboxes, but DATA has only one reply. So all is decided before
        the first part is stored: a refusal then means that nothing was stored.
        """
        rules = self._rules()
        judged = await self._judged(content, mail_from, mailboxes, rules)
        if isinstance(judged, Ignored):
            self._ignored("automatic", f"from {one_line(mail_from, 100)}: {judged.reason}")
            await self._hear_of_bounces(content, mail_from, mailboxes, rules.names)
            return
        letters = judged
        evidence = await self._prove(content, letters, rules)
        read = await self._reader.read(content, letters[0].thread)
        if read.automatic:
            self._ignored("automatic", f"from {one_line(mail_from, 100)}: {read.automatic}")
            return
        for letter in letters:
            if verdict_of(letter, read) is None:
                await self._check(trigger_of(letter, read, (), rules))
        for letter, proven in zip(letters, evidence, strict=True):
            verdict = verdict_of(letter, read)
            if verdict is not None:
                outcome = await self._answer(proven_verdict(verdict, proven))
                log.info("mail decided", sender=one_line(mail_from), outcome=one_line(outcome))
                continue
            # With its digest: of another mail under the same Message-ID nothing may be deleted.
            owner = owner_of(
                letter.recipient, f"{''.join(letter.keys) or self._new_id()}{read.digest}"
            )
            attachments = await keep(read.files, owner, self._blobs)
            trigger = trigger_of(letter, read, attachments, rules)
            try:
                await self._accept(proven_trigger(trigger, proven))
            except Refused:
                await self._blobs.delete(owner)
                raise

    async def _hear_of_bounces(
        self, content: bytes, mail_from: str, mailboxes: Sequence[str], names: MailNames
    ) -> None:
        async with self._one_thread:
            found = await asyncio.to_thread(read_bounces, content, mail_from, mailboxes, names)
        for bounce in found:
            await self._bounced(bounce)

    async def _judged(
        self, content: bytes, mail_from: str, mailboxes: Sequence[str], rules: MailRules
    ) -> tuple[Letter, ...] | Ignored:
        """What the header alone says. Raises Refused."""

        def decide() -> tuple[Letter, ...] | Ignored:
            header = read_header(split(content[: HEADER_LIMIT + 1])[0])
            return judge(
                header,
                mail_from=mail_from,
                mailboxes=mailboxes,
                rules=rules,
                new_id=self._new_id,
                fingerprint=_fingerprint(content, header),
            )

        if content.find(b"\r\n\r\n", 0, SMALL_HEADER) >= 0:
            return decide()
        async with self._one_thread:  # more of them would leave the loop less of the processor
            return await asyncio.to_thread(decide)

    async def _prove(
        self, content: bytes, letters: Sequence[Letter], rules: MailRules
    ) -> list[Evidence | None]:
        """What is proven of the mail to each mailbox. None: nothing is to be proven here.

        Raises Unauthenticated if it is not enough to take the mail, Unavailable if DNS is away.
        """
        settings, sender = self._settings, letters[0].sender.address
        if settings.mail_authentication == "off":
            return [None for _ in letters]
        try:
            proof = await authenticate(content, sender, settings.mail_authentication, self._lookup)
        except Unavailable:
            if settings.mail_require_proof or any(letter.run_id for letter in letters):
                raise
            proof = None
        if proof is None:
            said = one_line(letters[0].header.raw("Authentication-Results"), 300) or "nothing"
            log.info("nothing proves who wrote this mail", sender=sender, results=said)
        if proof is None and settings.mail_require_proof:
            raise Unauthenticated(
                f"nothing proves that this is from {sender} (DKIM, DMARC), and only mail of which "
                "that is proven is taken here"
            )
        return [weigh(letter, proof, rules.names) for letter in letters]

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail session failed", exc_info=error)
        return "451 4.3.0 internal error, try again later"


def _fingerprint(content: bytes, header: Header) -> str:
    """By what a mail without Message-ID is known when it comes again: its bytes, if a date or a
    relay's entry tells it from the same words written again. "" for any other mail."""
    if header.own_id or not (header.has("Date") or header.has("Received")):
        return ""
    ends = content[:_FINGERPRINTED] + content[-_FINGERPRINTED:] + str(len(content)).encode()
    return hashlib.sha256(ends).hexdigest()[:32]


def _is_utf8(address: str) -> bool:
    # aiosmtpd makes lone surrogates of the bytes that are not.
    return address.isascii() or address.encode("utf-8", "replace").decode() == address


def _ascii(answer: str) -> str:
    return one_line(answer, 500).encode("ascii", "replace").decode()
