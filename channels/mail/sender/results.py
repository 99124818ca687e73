"""What the relay in front of us reports of a mail: Authentication-Results (RFC 8601).

Everybody can write such a header, so all hangs on which one is read. Servers add theirs on top, and
what the sender wrote stands below. Anything doubtful proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ponderd.channels.mail.sender.domains import as_ascii, domain_of, is_aligned

MICROSOFT_365 = "microsoft365"
"""Stands for Microsoft 365, whose header names no server."""

_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s;"])+'
_RESULT = re.compile(
    r"\s*([A-Za-z0-9-]+)(?:\s*/\s*\d+)?\s*=\s*([A-Za-z0-9-]+)"
    rf"((?:\s+[A-Za-z][A-Za-z0-9._-]*\s*=\s*{_VALUE})*)\s*",
    re.DOTALL,
)
_PROPERTY = re.compile(rf"([A-Za-z][A-Za-z0-9._-]*)\s*=\s*({_VALUE})", re.DOTALL)

_ABOUT_SENDERS = ("dkim", "dmarc")


class Field(NamedTuple):
    """One header field; the name is in lower case."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The result of one method. Everything is in lower case except the values of properties."""

    method: str
    result: str
    properties: dict[str, str]

    @property
    def passed(self) -> bool:
        return self.result == "pass"

    @property
    def domain(self) -> str:
        """The domain for which it speaks."""
        given = self.properties.get
        match self.method:
            case "dmarc":
                return as_ascii(given("header.from", ""))
            case "dkim":
                return domain_of(given("header.d") or given("header.i", ""))
            case _:
                return domain_of(given("smtp.mailfrom", ""))


@dataclass(frozen=True, slots=True)
class Report:
    """One Authentication-Results header."""

    said_by: str
    """The authserv-id in lower case; "" if the header has none."""
    results: tuple[MethodResult, ...]

    def of(self, *methods: str) -> list[MethodResult]:
        return [result for result in self.results if result.method in methods]


def reported(fields: Sequence[Field], authserv_id: str, domain: str) -> tuple[MethodResult, ...]:
    """What our relay says of the sender's `domain` by DKIM and DMARC. Empty if that is not certain.

    `fields` is the header from the top. `authserv_id` is the relay's name; `*.example.com` stands
    for all servers below example.com, `MICROSOFT_365` for a header without a name.

    The topmost header of the relay decides. A filter of the relay's may write SPF into a header of
    its own on top; then the next one decides, but only if SPF passed for the sender's domain, so
    that it cannot be one that a stranger wrote. Two headers, or two results of DMARC, that both
    say what the sender is, prove nothing.
    """
    reports = [read_report(value) for name, value in fields if name == "authentication-results"]
    ours = [report for report in reports if report and _is_by(report, authserv_id)]
    if not ours:
        return ()
    place = reports.index(ours[0])
    above, below = reports[:place], reports[place + 1 :]
    nameless = authserv_id == MICROSOFT_365
    if None in above or (nameless and above):  # it may be the relay's
        return ()
    first, *others = ours[:1] if nameless else ours
    if not first.of(*_ABOUT_SENDERS):
        if not others or below[0] is not others[0] or not _spf_passed(first, domain):
            return ()
        first, *others = others
    said_twice = (
        first.of(method) and other.of(method) for other in others for method in _ABOUT_SENDERS
    )
    if any(said_twice) or len(first.of("dmarc")) > 1:
        return ()
    return tuple(first.of(*_ABOUT_SENDERS))


def vouches(results: Sequence[MethodResult], domain: str) -> bool:
    """Whether these results say that the owner of `domain` sent the mail."""
    if any(result.method == "dmarc" and result.result == "fail" for result in results):
        return False
    return any(
        result.domain == domain if result.method == "dmarc" else is_aligned(result.domain, domain)
        for result in results
        if result.passed
    )


def _is_by(report: Report, authserv_id: str) -> bool:
    if authserv_id == MICROSOFT_365:
        return not report.said_by
    if authserv_id.startswith("*."):
        return report.said_by.endswith(authserv_id[1:].lower())
    return report.said_by == authserv_id.lower()


def _spf_passed(report: Report, domain: str) -> bool:
    found = report.of("spf")
    return len(found) == 1 and found[0].passed and is_aligned(found[0].domain, domain)


def read_report(field: str) -> Report | None:
    """Read one Authentication-Results header. None if a quotation or comment stays open.

    A result that does not follow RFC 8601 is left out.
    """
    sections = _sections(field)
    if not sections:
        return None
    said_by = ""
    if not _RESULT.fullmatch(sections[0]):
        said_by = [*sections[0].split(), ""][0].strip('"').lower()
        sections = sections[1:]
    return Report(said_by, tuple(_results(sections)))


def _results(sections: Sequence[str]) -> Iterator[MethodResult]:
    for section in sections:
        found = _RESULT.fullmatch(section)
        if found is None:
            continue
        pairs = [(name.lower(), value.strip('"')) for name, value in _PROPERTY.findall(found[3])]
        properties = dict(pairs)
        if len(properties) == len(pairs):  # a property that comes twice is ambiguous
            yield MethodResult(found[1].lower(), found[2].lower(), properties)


def _sections(field: str) -> list[str]:
    """Split at the semicolons and drop comments. Empty if a quotation or comment stays open.

    Comments nest, and both comments and quotations may contain semicolons, so a regular expression
    cannot do this.
    """
    sections: list[list[str]] = [[]]
    depth, quoted, escaped = 0, False, False
    for char in field:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            char = " "
        elif char == ";" and not quoted and not depth:
            sections.append([])
            continue
        if not depth:
            sections[-1].append(char)
    return [] if depth or quoted else ["".join(section) for section in sections]
