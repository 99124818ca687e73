import json
from datetime import UTC, datetime

import pytest

from ponderd.workers.agents.agent import ToolContext, tool
from ponderd.workers.agents.tools.calculator import calculate, calculator
from ponderd.workers.agents.tools.clock import clock, tell
from ponderd.workers.agents.tools.deployments import DEMO_VERSIONS, deploy, list_versions
from tests.services.cpu import in_linear_time

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17*23", "391"),
        ("0.1+0.2", "0.3"),
        ("7/2", "3.5"),
        ("7//2 + 7%4", "6"),
        ("2^10", "1024"),
        ("-(3-5)**2", "-4"),
        ("1,234 × 2", "2468"),
        ("sqrt(1764)", "42"),
        ("round(10/3, 2)", "3.33"),
        ("round(2.6)", "3"),
        ("2**-1", "0.5"),
    ],
)
def test_the_calculator_calculates(expression, result):
    assert calculator.function(expression) == result


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "not an arithmetic expression"),
        ("seven times two", "not an arithmetic expression"),
        ("7/0", "division by zero"),
        ("9**9**9", "too large"),
        ("2**0.5**9999 * 1e308 * 1e308", "too large"),
        ("(-8)**0.5", "not a real number"),
        ("sqrt(-1)", "negative"),
        ("round(1, -999999999)", "up to 100"),
        ("sqrt(1, 2)", "wrong arguments"),
        ("__import__('os').system('true')", "not arithmetic"),
        ("(1).__class__", "not arithmetic"),
        ("True + 1", "not arithmetic"),
        ("'a' * 9", "not arithmetic"),
        ("[1] * 9", "not arithmetic"),
        ("1\0", "not an arithmetic|null"),
        ("x" * 501, "longer than"),
        ("(" * 250 + ")" * 250, "not an arithmetic|nested"),
        ("9" * 450 + "**300", "too large"),
    ],
)
def test_the_calculator_says_what_is_wrong(expression, complaint):
    with in_linear_time(), pytest.raises(ValueError, match=complaint):
        calculate(expression)


def test_the_clock_tells_date_weekday_and_time_of_a_zone():
    assert tell(NOON, "UTC") == "Wednesday, 1 July 2026, 12:00 (UTC)"
    assert tell(NOON, "Europe/Berlin") == (
        "Wednesday, 1 July 2026, 14:00 (Europe/Berlin, UTC+02:00)"
    )
    assert "(America/New_York, UTC-04:00)" in tell(NOON, "new york")
    assert f"{datetime.now(UTC):%Y}" in clock.function()


def test_the_clock_knows_no_invented_zones():
    with pytest.raises(ValueError, match="no time zone 'Mars'"):
        tell(NOON, "Mars")
    with pytest.raises(ValueError, match="no time zone"):
        tell(NOON, "../../etc/passwd")


@pytest.fixture
def context(tmp_path):
    return ToolContext(run_id="7-abc", idempotency_key="7-abc:4", data_dir=tmp_path)


def test_versions_come_from_the_file_newest_first(context):
    assert list_versions.function(context).startswith(f"{DEMO_VERSIONS[0]} (newest), ")
    (context.data_dir / "versions.txt").write_text("# ours\n2.1\n\n2.0\n")
    assert list_versions.function(context) == "2.1 (newest), 2.0. Live: none."


@pytest.mark.parametrize("content", ["", "# none\n", "../../etc\n"])
def test_a_broken_list_of_versions_is_said_to_be_broken(context, content):
    (context.data_dir / "versions.txt").write_text(content)
    with pytest.raises(ValueError, match=r"versions\.txt"):
        list_versions.function(context)


def test_each_deployment_leaves_one_file_and_the_last_one_is_live(context):
    assert deploy.function("1.4.0", context) == "1.4.0 is live."
    assert deploy.function(" v1.4.1", context) == "1.4.1 is live."
    files = sorted((context.data_dir / "deployments").iterdir())
    assert [json.loads(file.read_text())["version"] for file in files] == ["1.4.0", "1.4.1"]
    assert files[0].name.endswith("Z-1.4.0-7-abc-4.json")
    assert list_versions.function(context).endswith("Live: 1.4.1.")


def test_an_unknown_version_is_not_deployed(context):
    with pytest.raises(ValueError, match=r"there is no version 9\.9; there are 1\.4\.2"):
        deploy.function("9.9", context)
    assert not (context.data_dir / "deployments").exists()


def test_deploying_always_needs_a_yes_and_is_never_repeated_blindly():
    assert deploy.approval == "always"
    assert not deploy.idempotent
    assert list_versions.approval == "never"


def test_a_tool_without_options_needs_no_parentheses():
    @tool
    def bare(word: str) -> str:
        """say it"""
        return word

    @tool()
    def called(word: str) -> str:
        """say it"""
        return word

    assert (bare.name, bare.description) == ("bare", "say it")
    assert (bare.idempotent, bare.approval, bare.timeout) == (False, "never", called.timeout)
    assert bare.validated({"word": "hello"}) == {"word": "hello"}


def test_a_parameter_without_a_type_is_named():
    with pytest.raises(TypeError, match="the parameter word of the tool bare needs a type"):

        @tool
        def bare(word):
            return word


@pytest.mark.parametrize(("option", "value"), [("timeout", 0), ("timeout", -1), ("memory", 0)])
def test_a_limit_that_leaves_nothing_is_refused(option, value):
    with pytest.raises(ValueError, match=option):
        tool(**{option: value})
