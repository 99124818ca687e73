"""A run id and its shard."""

from __future__ import annotations

import pytest

from ponderd.workers.store.contract import conversation_key
from ponderd.workers.store.run_ids import new_run_id, shard_of


def test_a_run_id_names_the_shard_of_its_conversation() -> None:
    key = conversation_key("a", "api", "", "c")
    first, second = new_run_id(key), new_run_id(key)
    assert first != second
    assert shard_of(first) == shard_of(second)
    for wrong in ("", "zz-1-2", "ff-1-2", "0", "00", "../../etc"):
        with pytest.raises(ValueError, match=r"run id|invalid literal"):
            shard_of(wrong)
