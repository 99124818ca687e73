"""Every kind of URL is read as it is meant; a wrong one is told why, without its password."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ponderd.daemon.configuration import without_credentials
from ponderd.workers.execution.pokes import create_app, kombu_url
from ponderd.workers.redis_url import parse_redis_url
from ponderd.workers.settings import WorkerSettings

SENTINELS = "redis+sentinel://me:p%40ss@a:1,b,[::1]:3/main/2?sentinel_password=other"


def test_one_server() -> None:
    found = parse_redis_url("redis://me:p%2Fw:x@host:1/3")
    assert (found.kind, found.hosts, found.db, found.tls) == ("server", (("host", 1),), 3, False)
    assert (found.username, found.password) == ("me", "p/w:x")
    assert parse_redis_url("redis://").hosts == (("127.0.0.1", 6379),)
    assert parse_redis_url("redis://host?db=4").db == 4


def test_a_cluster() -> None:
    found = parse_redis_url("rediss+cluster://user:a+cluster%3A%2F%2Fb@host:1")
    assert (found.kind, found.tls, found.password) == ("cluster", True, "a+cluster://b")


def test_sentinels() -> None:
    found = parse_redis_url(SENTINELS)
    assert found.kind == "sentinel"
    assert found.hosts == (("a", 1), ("b", 26379), ("::1", 3))
    assert (found.service, found.db) == ("main", 2)
    assert (found.username, found.password) == ("me", "p@ss")
    assert (found.sentinel_username, found.sentinel_password) == (None, "other")


def test_a_socket() -> None:
    found = parse_redis_url("unix://:secret@/run/redis.sock?db=1")
    assert (found.kind, found.path, found.db) == ("socket", "/run/redis.sock", 1)
    assert found.password == "secret"


def test_tls() -> None:
    found = parse_redis_url("rediss://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=false")
    assert found.tls_options == {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    none = parse_redis_url("rediss://h?ssl_cert_reqs=none")
    assert none.tls_options == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://host", "must begin with redis://"),
        ("redis:host", "must begin with redis://"),
        ("redis://:secret@host:port", "host:port"),
        ("redis://:secret@host:99999", "host:port"),
        ("redis://:secret@[::1", "not a URL"),
        ("redis://:sec#ret@host", "%23"),
        ("redis://:secret@a,b", "redis+sentinel:// only"),
        ("redis://host/name", "the database is a number"),
        ("redis://host?ssl_ca_certs=/x", "without TLS"),
        ("rediss://host?ssl_ca=/x", "there are ssl_ca_certs"),
        ("rediss://host?ssl_ca_certs=", "ssl_ca_certs is empty"),
        ("rediss://host?what", "after the ?"),
        ("rediss://host?ssl_cert_reqs=maybe", "required, optional or none"),
        ("rediss://host?ssl_check_hostname=no", "true or false"),
        ("redis+sentinel://:secret@a:1,b:2", "name of the service"),
        ("redis+sentinel://a:1,,b:2/main", "a host is missing"),
        ("redis+sentinel://a:1/main/x", "the database is a number"),
        ("redis+cluster://host/1", "only the database 0"),
        ("unix://", "unix:///path"),
        ("unix://host/path", "unix:///path"),
    ],
)
def test_a_wrong_one_is_told_why(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_redis_url(url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValidationError, match="redis_url"):
        WorkerSettings(redis_url=url)


def test_files_for_tls_must_be_there() -> None:
    with pytest.raises(ValidationError, match=r"ssl_ca_certs: /no/ca\.pem cannot be read"):
        WorkerSettings(redis_url="rediss://host?ssl_ca_certs=/no/ca.pem")


def test_celery_is_told_the_same() -> None:
    assert kombu_url(parse_redis_url("redis://:a%2Fb@h:1/2")) == "redis://:a%2Fb@h:1/2"
    assert kombu_url(parse_redis_url(SENTINELS)) == (
        "sentinel://me:p%40ss@a:1/2;sentinel://me:p%40ss@b:26379/2;sentinel://me:p%40ss@[::1]:3/2"
    )
    options = create_app(SENTINELS).conf.broker_transport_options
    assert options["master_name"] == "main"
    assert options["sentinel_kwargs"]["password"] == "other"


def test_a_broker_cannot_be_a_cluster() -> None:
    with pytest.raises(ValidationError, match="Celery cannot use a cluster"):
        WorkerSettings(broker_url="redis+cluster://host")


def test_no_password_is_shown() -> None:
    shown = without_credentials(SENTINELS)
    assert "p%40ss" not in shown
    assert "other" not in shown
    assert "p@ss" not in repr(parse_redis_url(SENTINELS))
