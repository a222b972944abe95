"""What a demo takes for a failure: a wrong end, a wrong reason, an image that answers when it should not."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from perch_stage.callers import http_invoke
from perch_stage.demo import READ_BACK, Act, wrongly_answered
from perch_stage.images import PushedImage
from perch_stage.ledger import Answer
from perch_stage.load import LoadGenerator
from perch_stage.results import Played, Result, verdict
from perch_stage.stage import Stage


class Service(http.server.BaseHTTPRequestHandler):
    """Answers with the builds of a list in turn; the last one stays."""

    protocol_version = "HTTP/1.1"
    builds, asked, status = ["old"], [], 200

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        Service.asked.append((self.path, self.headers["host"], json.loads(self.rfile.read(length))))
        self.send_response(Service.status)
        self.send_header("x-image-build", Service.builds[0] if len(Service.builds) == 1 else Service.builds.pop(0))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def ended(phase: str, builds: list[str], url: str, seen: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with who answers after an act that ended in this phase; `seen` answered callers before."""
    Service.builds, Service.status = builds, 200
    load, began = LoadGenerator(http_invoke(url, "/predict", lambda text: text), ["{}"]), time.time()
    for build in seen:
        load.ledger.record(Answer(build, function_error=build == "broken"), 1.0)
    image = PushedImage("healthy", "new", "app", "v1", "sha256:0", "uri")
    stage = SimpleNamespace(load=load, counts=lambda *at: Stage.counts(stage, *at))
    return wrongly_answered(stage, Act("", "healthy", phase, ""), image, began - 1)


def test_promoted_image_has_to_answer_alone(url: str) -> None:
    assert ended("Promoted", ["new"], url) == []
    assert ended("Promoted", ["old", "new"], url) == [f"1 of {READ_BACK} answers come from another image"]


def test_promoted_image_costs_no_caller_an_answer(url: str) -> None:
    assert ended("Promoted", ["new"], url, seen=("old", "new")) == []
    assert ended("Promoted", ["new"], url, seen=("old", "broken")) == ["1 requests failed"]


def test_image_that_was_taken_back_may_not_answer(url: str) -> None:
    assert ended("RolledBack", ["old"], url, seen=("new",)) == []
    assert ended("RolledBack", ["old", "new", "old"], url) == ["the image still answers callers"]


def test_rejected_image_may_not_have_answered_anybody(url: str) -> None:
    assert ended("Rejected", ["old"], url, seen=("old",)) == []
    assert ended("Rejected", ["old"], url, seen=("old", "new")) == ["1 callers got an answer of a rejected image"]


def test_service_that_does_not_answer_is_no_promoted_image(url: str) -> None:
    assert ended("Promoted", ["new"], "http://127.0.0.1:1") == [f"{READ_BACK} of {READ_BACK} answers come from another image"]


def test_request_names_the_host_it_is_for_and_500_is_a_failure(url: str) -> None:
    Service.builds, Service.asked = ["7"], []
    invoke = http_invoke(url, "/predict", lambda text: json.dumps({"text": text}), host="api.example.com")
    assert invoke("a") == Answer("7")
    assert Service.asked == [("/predict", "api.example.com", {"text": "a"})]
    for status, failed in ((404, False), (500, True), (503, True)):
        Service.status = status
        assert invoke("a") == Answer("7", function_error=failed)


def test_verdict_names_every_act_that_ended_otherwise() -> None:
    journal = [{"what": "ReleaseRolledBack", "cause": "judged Fail: failed"}]
    release = {"phase": "RolledBack", "verdict": None, "journal": journal}
    results = [
        Result(1, release, "v1", "RolledBack", "failed", 1.0, ""),
        Result(2, release, "v1", "Promoted", "failed", 1.0, ""),
        Result(3, release, "v1", "RolledBack", "slower", 1.0, ""),
        Result(4, release, "v1", "RolledBack", "failed", 1.0, "", ["the image still answers callers"]),
    ]
    assert [line.split()[1] for line in verdict([Played(results)])] == ["2", "3", "4"]
    assert verdict([Played(results[:1], wrong="the stack did not start")]) == ["the stack did not start"]
    assert verdict([Played(results[:1])]) == []
