"""Questions with answers that can be checked, one JSON object a line. Pure.

    {"task": "sum-1", "set": "sums", "question": "What is 2 + 3?", "check": "number", "answer": 5}

`check` is one of: number; choice (one of `choices`); exact; regex (searched for in the answer,
in any case); json (all fields of `answer` are present and equal).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Frozen
from ponderd.workers.agents.actions import strict
from ponderd.workers.agents.agent import Example
from ponderd.workers.context.render import Message

SYSTEM = "Answer with one JSON object that holds nothing but the answer."
EXAMPLES = (
    Example("Which animal barks?", {"answer": "dog"}),
    Example("What is 31 + 4?", {"answer": 35}),
    Example("Take the name and the age from this text.\n\nAnn is 30.", {"name": "Ann", "age": 30}),
)
ANSWER_TOKENS = 150


class TestQuestion(Frozen):
    task: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    set: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    question: str = Field(min_length=1)
    check: Literal["number", "choice", "exact", "regex", "json"]
    answer: Any
    choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_checked(self) -> TestQuestion:
        match self.check:
            case "number" if _number(self.answer) is None:
                raise ValueError(f"the answer {self.answer!r} is not a number")
            case "choice" if self.answer not in self.choices:
                raise ValueError(f"the answer {self.answer!r} is not one of the choices")
            case "exact" | "regex" if not isinstance(self.answer, str):
                raise ValueError(f"the answer {self.answer!r} is not a string")
            case "json" if not isinstance(self.answer, dict) or not self.answer:
                raise ValueError("the answer is not a JSON object with fields")
            case "regex":
                try:
                    re.compile(self.answer)
                except re.error as error:
                    raise ValueError(f"{self.answer!r} is not a pattern: {error}") from None
        return self


def read_questions(lines: Iterable[str]) -> list[TestQuestion]:
    """Raises `Malformed`, with the line that is wrong."""
    found: dict[str, TestQuestion] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            question = TestQuestion.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            what = first["msg"].removeprefix("Value error, ")
            raise Malformed(f"line {number}: {where}: {what}".replace(": :", ":")) from error
        if question.task in found:
            raise Malformed(f"line {number}: task {question.task} is listed twice")
        found[question.task] = question
    if not found:
        raise Malformed("the file has no questions")
    return list(found.values())


def messages(question: TestQuestion) -> list[Message]:
    asked: list[Message] = [{"role": "system", "content": SYSTEM}]
    for example in EXAMPLES:
        asked.append({"role": "user", "content": example.said})
        did = json.dumps(dict(example.did), ensure_ascii=False, separators=(",", ":"))
        asked.append({"role": "assistant", "content": did})
    return [*asked, {"role": "user", "content": question.question}]


def schema(question: TestQuestion) -> dict[str, Any]:
    """JSON schema of the answer. It tells the model no more than a form would."""
    match question.check:
        case "json":
            return _shape(question.answer)
        case "number":
            answer: dict[str, Any] = {"type": "number"}
        case "choice":
            answer = {"enum": list(question.choices)}
        case _:
            answer = {"type": "string"}
    return _object({"answer": answer})


def passes(question: TestQuestion, content: str) -> bool:
    """Whether the model's answer is right. False if it is not a JSON object."""
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(given, dict):
        return False
    if question.check == "json":
        return _same(given, question.answer)
    answer = given.get("answer")
    if question.check == "number":
        number, right = _number(answer), _number(question.answer)
        assert right is not None
        return number is not None and math.isclose(number, right, rel_tol=1e-6, abs_tol=1e-9)
    if question.check == "regex":
        return re.search(question.answer, str(answer), re.IGNORECASE) is not None
    return _same(answer, question.answer)


def _shape(value: Any) -> dict[str, Any]:
    match value:
        case dict():
            return _object({name: _shape(inner) for name, inner in value.items()})
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case list():
            return {"type": "array", "items": _shape(value[0]) if value else {}}
        case None:
            return {"type": "null"}
        case _:
            return {"type": "string"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = strict({"type": "object", "properties": properties})
    return found


def _same(given: Any, right: Any) -> bool:
    if isinstance(right, dict):
        return isinstance(given, dict) and all(
            name in given and _same(given[name], value) for name, value in right.items()
        )
    if isinstance(right, list):
        return (
            isinstance(given, list) and len(given) == len(right) and all(map(_same, given, right))
        )
    if isinstance(right, bool) or right is None:
        return given is right
    if isinstance(given, bool):
        return False
    if isinstance(right, int | float):
        number, wanted = _number(given), _number(right)
        if number is None or wanted is None:  # more than a number can hold
            return bool(given == right)
        return math.isclose(number, wanted, rel_tol=1e-6, abs_tol=1e-9)
    return " ".join(str(given).lower().split()) == " ".join(str(right).lower().split())


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(str(value).replace(",", "").strip(" $€%"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
