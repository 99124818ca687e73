"""Templates of routes: every name is the payload's, and what is missing is empty."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.webhook.template import (
    TEXT_LIMIT,
    Rendered,
    as_condition,
    check_template,
    holds,
    render,
    variables_of,
)
from ponderd.channels.webhook.values import WrittenFloat, as_json

PAYLOAD = """{
 "title": "Disk", "count": 5, "price": 93.50, "big": 123456789012345678901234567890, "one": 1.0,
 "draft": false, "ready": true, "note": null, "self": "me", "range": "wide", "headers": "theirs",
 "tags": ["a", null, true, 2.50], "if": "cond",
 "changelog": {"items": [{"field": "status", "toString": "Done"}, {"field": "points"}]},
 "alert": {"values": {"B": 93.5}, "keys": "K", "get": 1, "pop": "P", "update": {"at": 7}},
 "labels": [{"name": "x", "count": 2}, {"name": null}, {}, {"name": "a", "count": 1}],
 "issue": {"title": "Crash", "body": null, "_links": {"self": {"href": "u"}}}
}"""


def filled(source: str, payload: Any = None, **named: Any) -> Rendered:
    given = json.loads(PAYLOAD, parse_float=WrittenFloat) if payload is None else payload
    headers = named.get("headers", {"x-github-event": "issues"})
    check_template(source)
    return render(source, variables_of(given, headers, {"team": "ops"}))


def text(source: str, payload: Any = None) -> str:
    """What a template makes without any problem."""
    done = filled(source, payload)
    assert done.problems == ()
    return done.text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ changelog.items }}", '[{"field":"status","toString":"Done"},{"field":"points"}]'),
        ("{% for i in changelog.items %}{{ i.field }}>{{ i.toString }};{% endfor %}",
         "status>Done;points>;"),
        ("{{ alert.values.B }} {{ alert.values }}", '93.5 {"B":93.5}'),
        ("{{ alert.keys }} {{ alert.get }} {{ alert.pop }} {{ alert.update.at }}", "K 1 P 7"),
        ("{{ title.format }}{{ labels.count }}{{ labels.append }}{{ count.real }}", ""),
        ("{{ issue.items }}{{ issue.values.x }}{{ labels[0].keys }}{{ title.upper }}", ""),
        ("{{ self }} {{ range }} {{ payload['if'] }} {{ issue._links.self.href }}",
         "me wide cond u"),
        ("{{ dict }}{{ cycler }}{{ lipsum }}{{ namespace.x }}{{ loop }}{{ caller }}", ""),
        ("{{ 'there' if dict else 'not there' }}", "not there"),
        ("{{ title.__class__ }}{{ issue.__class__.__mro__ }}{{ labels.__len__ }}", ""),
        ("{{ issue|attr('title') }}{{ issue|attr('items') }}{{ tags|map(attribute='pop')|last }}",
         "Crash"),
        ("{{ changelog['items'][0]['field'] }} {{ changelog.items.1.field }}", "status points"),
    ],
)  # fmt: skip
def test_a_name_is_the_payloads_and_nothing_of_python(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for k, v in alert.items() %}{{ k }}={{ v }};{% endfor %}",
         'values={"B":93.5};keys=K;get=1;pop=P;update={"at":7};'),
        ("{{ title.upper() }} {{ 'a,b'.split(',') }} {{ issue.get('nope', 'else') }}",
         'DISK ["a","b"] else'),
        ("{% for i in range(3) %}{{ i }}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}",
         "01,12,23"),
        ("{% set ns = namespace(n=0) %}{% for l in labels %}{% set ns.n = ns.n + 1 %}{% endfor %}"
         "{{ ns.n }}", "4"),
        ("{% macro b(x) %}<{{ x }}>{% endmacro %}{{ b(title) }}", "<Disk>"),
        ("{% for l in labels|groupby('name') %}{{ l.grouper }}:{{ l.list|length }} {% endfor %}",
         ":2 a:1 x:1 "),
        ("{% for k, v in alert|dictsort %}{{ k }} {% endfor %}", "get keys pop update values "),
        ("{{ missing.items()|list }} {{ issue.body.upper() }}", "[] "),
    ],
)  # fmt: skip
def test_a_call_means_what_jinja_and_python_have(source: str, expected: str) -> None:
    assert text(source) == expected


NULLS = ["note", "missing", "missing.a.b.c", "note.x", "tags[1]", "tags[99].x", "title.x.y",
         "issue.body.z", "labels[2].name", "headers.nope", "query.nope", "(none)"]  # fmt: skip


@pytest.mark.parametrize("name", NULLS)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<{{ X }}>", "<>"),
        ("<{% for i in X %}{{ i }}{% endfor %}{% for k, v in X.items() %}{{ k }}{% endfor %}>",
         "<>"),
        ("<{{ X ~ 'a' ~ X }}{{ X + 'b' }}{{ 'c' + X }}>", "<abc>"),
        ("<{{ X + 1 }}{{ 2 * X }}{{ X - X }}{{ X / 2 }}{{ X ** 2 }}{{ -X }}{{ X % 3 }}>", "<>"),
        ("{{ X < 1 }} {{ X >= 1 }} {{ 1 > X }} {{ X == none }} {{ X == 1 }} {{ 'a' in X }} "
         "{{ X in 'abc' }}", "false false false true false false false"),
        ("{{ X is none }} {{ X is defined }} {{ 'y' if X else 'n' }} {{ not X }}",
         "true false n true"),
        ("{{ X|default('d') }}{{ X|upper }}{{ X|join(', ') }}{{ X|trim }}{{ X|replace('a', 'b') }}"
         "{{ X|first }}{{ X|last }}{{ X|abs }}{{ X|round }}{{ X|wordwrap(3) }}{{ X|title }}"
         "{{ X|truncate(3) }}{{ X|filesizeformat }}{{ X|urlencode }}{{ X|indent }}{{ X|max }}",
         "d"),
        ("{{ X|length }} {{ X|list }} {{ X|items|list }} {{ X|dictsort }} {{ X|sort }} "
         "{{ X|map(attribute='a')|list }} {{ X|selectattr('a')|list }} {{ X|groupby('a') }} "
         "{{ X|unique|list }} {{ X|int }} {{ X|int(7) }} {{ X|batch(2)|list }} {{ X|sum }}",
         "0 [] [] [] [] [] [] [] [] 0 7 [] 0"),
        ("{{ X[0] }}{{ X['a'] }}{{ X[1:] }}{{ X.a() }}{% if X.a.b %}no{% endif %}", ""),
        ("{{ '%s' % X }}{{ '%s'|format(X) }}{{ [X]|join }}{{ {'a': X}.a }}", ""),
        ("{{ [X] }} {{ {'a': X} }}", '[null] {"a":null}'),
    ],
)  # fmt: skip
def test_null_and_missing_are_empty_everywhere(name: str, source: str, expected: str) -> None:
    assert text(source.replace("X", name)) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ ready }} {{ draft }} {{ ready|upper }} {{ 'is ' ~ ready }} {{ tags|join('-') }}",
         "true false TRUE is true a--true-2.50"),
        ("{{ price }} {{ one }} {{ big }} {{ 'x' ~ one }} {{ price + 1 }} {{ '%.1f' % price }}",
         "93.50 1.0 123456789012345678901234567890 x1.0 94.5 93.5"),
        ("{{ tags }} {{ tags|tojson }} {{ tags|string }} {{ 'x' ~ tags }}",
         '["a",null,true,2.50] ' * 3 + 'x["a",null,true,2.50]'),
        ("{{ [1, none, true, 'ü'] }} {{ dict(a=1) }} {{ (1, 2) }}",
         '[1,null,true,"ü"] {"a":1} [1,2]'),
        ("{{ alert.values|tojson(indent=1) }}", '{\n "B": 93.5\n}'),
        ("{{ ready == true }} {{ draft is false }} {{ ready is boolean }} {{ ready is number }}",
         "true true true false"),
        ("{{ labels|sort(attribute='name')|map(attribute='name')|join(',') }}", ",,a,x"),
        ("{{ labels|sum(attribute='count') }} {{ labels|max(attribute='count') }}",
         '3 {"name":"x","count":2}'),
        ("{{ 'n: ' + count }}", "n: 5"),
        ("{{ title|e }} {{ '<b>'|e ~ '<' }} {{ '<i>a</i>'|striptags }}", "Disk &lt;b&gt;< a"),
    ],
)  # fmt: skip
def test_values_are_written_as_json_writes_them(source: str, expected: str) -> None:
    assert text(source) == expected


def test_our_three_names_are_ours() -> None:
    payload = {"headers": "a", "query": {"team": "evil"}, "payload": "b", "x": 1}
    assert text("{{ payload.headers }} {{ payload.payload }} {{ payload.x }} {{ x }}", payload) == (
        "a b 1 1"
    )
    assert text("{{ headers['x-github-event'] }} {{ headers.x_github_event }}", payload) == (
        "issues issues"
    )
    assert text("{{ headers['X-GitHub-Event'] }} {{ query.team }}", payload) == "issues ops"
    assert text("{{ payload[0].a }} {{ payload|length }}", [{"a": "list"}]) == "list 1"
    assert text("{{ payload }} {{ anything }}", "words") == "words "


@pytest.mark.parametrize(
    ("source", "expected", "problem"),
    [
        ("a {{ count|dictsort }} b", "a  b", "dictsort"),
        ("a {{ 1 / 0 }} b", "a  b", "division"),
        ("a {{ title.nope() }} b", "a  b", "nope"),
        ("a {% for i in count %}x{% endfor %} b", "a  b", "rows"),
        ("a {{ title < 3 }} b", "a false b", "comparison"),
        ("a {{ labels.append(1) }}{{ labels|length }} b", "a 4 b", "append"),
        ("a {{ 9 ** (9 ** 9) }} b", "a  b", "too large"),
        ("a {{ ''.join.__globals__ }}{{ title.__class__() }} b", "a  b", "__class__"),
    ],
)
def test_what_fails_costs_only_itself(source: str, expected: str, problem: str) -> None:
    done = filled(source)
    assert done.text == expected
    [told] = done.problems
    assert problem in told


def test_what_a_loop_cannot_unpack_is_padded() -> None:
    assert text("{% for a, b in tags %}{{ a }}|{{ b }};{% endfor %}") == "a|;|;true|;2.50|;"
    assert text("{% set a, b = title %}{{ a }}{{ b }}") == "Disk"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ open", "line 1: "),
        ("a\n{{ x|nope }}", "line 2: there is no filter 'nope'"),
        ("{{ 'a' if x is nope }}", "there is no test 'nope'"),
        ("{{ y|nope if x }}", "there is no filter"),
        ("{{ x|_rows(2) }}", "there is no filter"),
        ("{% include 'x' %}", "no other templates"),
        ("{% extends 'x' %}", "no other templates"),
        ("{{ " + "(" * 5_000 + "x" + ")" * 5_000 + " }}", "too deeply"),
    ],
)
def test_a_wrong_template_is_named_with_its_line(source: str, problem: str) -> None:
    with pytest.raises(ValueError, match="not a Jinja template") as refused:
        check_template(source)
    assert problem in str(refused.value)


def test_a_text_that_is_too_long_says_so() -> None:
    done = filled("{% for i in range(10000) %}{{ payload.t }}{% endfor %}", {"t": "word " * 40})
    assert len(done.text) < TEXT_LIMIT + 100
    assert done.text.endswith("[… cut here: the text is longer than 1,000,000 characters]")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ready", True),
        ("draft", False),
        ("title == 'Disk' and headers.x_github_event == 'issues'", True),
        ("{{ title == 'Disk' }}", True),
        ("{% if draft %}yes{% endif %}", False),
        ("missing.at.all", False),
        ("labels", True),
        ("note", False),
        ("'ops' in query.team", True),
        ("count - 5", False),
    ],
)
def test_a_condition_is_written_with_or_without_braces(condition: str, expected: bool) -> None:
    assert holds(text(as_condition(condition))) is expected


def test_a_number_is_written_as_it_came() -> None:
    numbers = '{"a":1e3,"b":0.10,"c":-0.0,"d":[1.50]}'
    assert as_json(json.loads(numbers, parse_float=WrittenFloat)) == numbers


NAMES = ["a", "b", "items", "keys", "values", "count", "0"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
_PATHS = st.lists(st.sampled_from(NAMES[:6]), min_size=1, max_size=3).map(".".join)
_PARTS = st.sampled_from(
    [
        "{{ X }}",
        "{{ X ~ Y }}{{ X + Y }}{{ X - Y }}{{ X * 2 }}{{ X / Y }}{{ X % 2 }}{{ -X }}",
        "{{ X < Y }}{{ X == Y }}{{ X in Y }}{{ Y not in X }}{{ 1 < X < 3 }}",
        "{% for i in X %}{{ i }}{{ i.a }}{{ loop.index }}{% endfor %}",
        "{% for k, v in X.items() %}{{ k }}{{ v }}{% endfor %}",
        "{% for k, v in X %}{{ k }}{{ v }}{% endfor %}",
        "{{ X|length }}{{ X|join(',') }}{{ X|sort }}{{ X|first }}{{ X|last }}{{ X|dictsort }}",
        "{{ X|map(attribute='a')|list }}{{ X|selectattr('b')|list }}{{ X|groupby('a') }}",
        "{{ X|upper }}{{ X|default('d') }}{{ X|tojson }}{{ X|int }}{{ X|float }}{{ X|round }}",
        "{{ X|sum }}{{ X|max }}{{ X|min }}{{ X|unique|list }}{{ X|reverse|list }}{{ X|batch(2) }}",
        "{{ X[0] }}{{ X['a'] }}{{ X[-1].b }}{{ X[1:] }}{{ X.get('a') }}{{ X.upper() }}{{ X() }}",
        "{{ 'y' if X else 'n' }}{{ X is none }}{{ X is odd }}{{ X is mapping }}{{ not X and Y }}",
        "{% set z = X %}{{ z.a }}{% set p, q = Y %}{{ q }}{% if X.a.b %}{{ X.a.b }}{% endif %}",
    ]
)


@given(payload=_JSON, parts=st.lists(_PARTS, min_size=1, max_size=3), x=_PATHS, y=_PATHS)
@settings(max_examples=400, deadline=None)
def test_whatever_comes_a_template_gives_text_and_nothing_of_python(
    payload: Any, parts: list[str], x: str, y: str
) -> None:
    source = "<" + "|".join(parts).replace("X", x).replace("Y", y) + ">"
    done = render(source, variables_of(payload, {}, {}))
    assert done.text[0] == "<" and done.text[-1] == ">", done
    for word in ("None", "True", "False", "built-in", "object at", "Nothing", "Undefined"):
        assert word not in done.text
