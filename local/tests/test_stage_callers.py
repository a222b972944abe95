"""Callers over HTTP: connections that the server ends between requests cost nothing, those that it ends in one are counted."""
import socket
import threading
from contextlib import closing

import pytest
from conftest import until
from perch_stage.callers import Connections, closed, http_invoke

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def server():
    """Serves so many requests on each connection, then ends it without a word; gives (URL, the connections it took)."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        took, ended = [], threading.Event()

        def serve(answers):
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                took.append(connection)
                with connection:
                    for _ in range(answers):
                        connection.recv(65536)
                        connection.sendall(ANSWER)
                    if not answers:
                        connection.recv(65536)
                ended.set()

        def start(answers):
            threading.Thread(target=serve, args=(answers,), daemon=True).start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}", took, ended
        yield start


def test_a_connection_that_ended_between_requests_is_not_used_again(server):
    url, took, ended = server(1)
    connections = Connections(url)
    for _ in range(3):
        assert connections.ask("GET", "/").status == 200
        assert ended.wait(30)
        ended.clear()
        assert until(lambda: closed(connections._own.connection)), "the end of the connection arrives"
    assert len(took) == 3


def test_a_connection_that_stays_is_used_again(server):
    url, took, _ = server(3)
    connections = Connections(url)
    assert [connections.ask("GET", "/").body for _ in range(3)] == [b"ok"] * 3
    assert len(took) == 1


def test_an_answer_that_does_not_come_is_not_asked_for_again(server):
    url, took, _ = server(0)
    with pytest.raises(OSError):
        Connections(url).ask("GET", "/")
    assert len(took) == 1


def cookies_of(asks, keep):
    """The cookies that a server was sent, which gives another one in each answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        found = []

        def serve():
            connection, _ = listening.accept()
            with connection:
                for number in range(asks):
                    lines = connection.recv(65536).decode().lower().splitlines()
                    found.append([line.partition(": ")[2] for line in lines if line.startswith("cookie:")])
                    connection.sendall(ANSWER.replace(b"\r\n\r\n", b"\r\nset-cookie: session=%d; Path=/\r\n\r\n" % number, 1))

        thread = threading.Thread(target=serve)
        thread.start()
        ask = http_invoke(f"http://127.0.0.1:{listening.getsockname()[1]}", "/", cookies=keep)
        for _ in range(asks):
            ask("")
        thread.join(5)
        return found


def test_a_caller_sends_back_the_cookie_that_it_got_last():
    assert cookies_of(3, keep=True) == [[], ["session=0"], ["session=1"]]
    assert cookies_of(2, keep=False) == [[], []]
