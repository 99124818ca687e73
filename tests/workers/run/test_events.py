from typing import get_args

from ponderd.workers.run import events as e


def test_no_field_stands_in_the_way_of_an_event_s_number() -> None:
    """Whoever lists events puts the number of each beside its fields, as `version`."""
    kinds = get_args(get_args(e.Event)[0])
    assert len(kinds) > 20
    assert [kind.__name__ for kind in kinds if "version" in kind.model_fields] == []
