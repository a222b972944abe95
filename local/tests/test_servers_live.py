"""The redis-server that tests and the demo start."""
import socket

import pytest
from perch_local import servers


def test_commands_have_their_kinds_of_reply():
    with servers.redis() as cache:
        assert cache.command("SET", "news:generation", "v1") == "OK"
        assert cache.command("GET", "news:generation") == "v1"
        assert cache.command("GET", "missing") is None
        assert cache.command("INCR", "count") == 1
        assert cache.command("MGET", "news:generation", "missing") == ["v1", None]
        assert cache.command("SET", "text", "é\r\n$5") == "OK"
        assert cache.command("GET", "text") == "é\r\n$5"
        with pytest.raises(servers.CacheError, match="WRONGTYPE"):
            cache.command("LPUSH", "text", "x")


def test_a_restarted_server_has_its_keys_only_when_they_are_kept():
    for keep, expected in ((True, "v1"), (False, None)):
        with servers.redis(keep=keep) as cache:
            cache.command("SET", "news:generation", "v1")
            port = cache.port
            cache.stop()
            assert not cache.answers()
            cache.start()
            assert (cache.port, cache.command("GET", "news:generation")) == (port, expected)


def test_a_password_is_asked_for():
    with servers.redis(password="s3cret") as cache:
        assert cache.answers()
        with socket.create_connection(("127.0.0.1", cache.port), timeout=5) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(64).startswith(b"-NOAUTH")


def test_a_held_server_can_be_ended():
    with servers.redis() as cache:
        port = cache.port
        cache.pause()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
