"""`EventRef`: one name for each event, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponderd.channels.event_ref import EventRef
from ponderd.workers.store.run_ids import new_run_id

RUN_IDS = st.text(st.characters(exclude_characters=":"), min_size=1).filter(
    lambda text: not any(char.isspace() for char in text)
)
ALMOST = st.from_regex(r"\A[a-z0-9-]{0,3}[: .\n]{0,2}[-+ 0_]{0,2}\d{0,12}[ \n:]?\Z")


def test_is_written_with_a_colon() -> None:
    assert str(EventRef("0c-mha1v2k8-9f3c1a2b7d", 7)) == "0c-mha1v2k8-9f3c1a2b7d:7"


def test_reads_what_a_real_run_id_makes() -> None:
    ref = EventRef(new_run_id("a conversation"), 12)
    assert EventRef.parse(str(ref)) == ref


@given(RUN_IDS, st.integers(1, 999_999_999))
def test_reads_what_it_wrote(run_id: str, version: int) -> None:
    assert EventRef.parse(f"{run_id}:{version}") == (run_id, version)


@given(st.text() | ALMOST)
def test_reads_only_what_it_would_write(text: str) -> None:
    ref = EventRef.parse(text)
    assert ref is None or str(ref) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "x",
        "x:",
        ":3",
        "3",
        "a:١",  # a digit for `str.isdecimal` and for `int`
        "a:²",
        "a:\uff13",
        "a:0",
        "a:-3",
        "a:+3",
        "a: 3",
        "a:3 ",
        "a:3\n",
        "\na:3",
        "a b:3",
        "a:1_000",
        "a:3.0",
        "a:0x3",
        "a:b",
        "a:b:3",
        "a:3:",
        "a::3",
        "r:00000003",
        "r:1000000000",
        "r:" + "9" * 5000,  # more digits than `int` reads
        ":" * 100_000,
    ],
)
def test_hostile_text_names_no_event(text: str) -> None:
    assert EventRef.parse(text) is None
