"""Callers over HTTP: connections that the server ends between requests cost nothing, those that it ends in one are counted."""
import socket
import threading
from contextlib import closing

import pytest
from perch_stage.callers import Connections

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
        assert ended.wait(5)
        ended.clear()
        threading.Event().wait(0.05)    # the end of a connection has to arrive
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
