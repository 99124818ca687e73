from ponderd.channels.slack.kept_for import KeptFor


def test_what_is_kept_is_forgotten_after_its_time() -> None:
    kept: KeptFor[str] = KeptFor(limit=10, seconds=3600)
    kept.put("a", "1")
    kept.put("b", "2", seconds=-1)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("1", None, None)


def test_the_oldest_make_room() -> None:
    kept: KeptFor[int] = KeptFor(limit=2, seconds=3600)
    for number, key in enumerate("abac"):
        kept.put(key, number)
    assert [kept.get(key) for key in "abc"] == [2, None, 3]
