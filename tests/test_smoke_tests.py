"""Smoke tests before the first traffic, on a private local stack: the canary by its number, and a listener over HTTP."""

import contextlib
import http.server
import json
import subprocess
import threading

import pytest
import yaml

from stack import PERCH, TARGET, TARGET_FILE, alias, ended, journaled, perch, release_of, right_taken, why

import push_image  # isort: skip; `stack` says where it is

SPORT = {"text": "Striker scores in cup final"}


class Listener:
    """A test listener that answers as a test says, and remembers what it was asked."""

    def __init__(self):
        self.status, self.body, self.asked = 200, {"status": "ready"}, []
        listener = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                listener.asked.append((self.path, self.headers["x-shop"], json.loads(self.rfile.read(length))))
                with contextlib.suppress(OSError):
                    self.send_response(listener.status)
                    self.end_headers()
                    self.wfile.write(json.dumps(listener.body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def listener():
    listener = Listener()
    yield listener
    listener.server.shutdown()


def smoke(listener, category="sport"):
    """One check of each kind."""
    invoke = {
        "name": "a goal",
        "invoke": {"payload": SPORT},
        "expect": {"json": {"$.category": category, "$.confidence": {"min": 0, "max": 1}}},
    }
    ready = {
        "name": "ready",
        "http": {"path": "/classify", "method": "POST", "headers": {"x-shop": "eu"}, "body": SPORT},
        "expect": {"status": 200, "within": "5s", "json": {"$.status": {"matches": "^ready$"}}},
    }
    return {"url": listener.url, "checks": [invoke, ready]}


@pytest.fixture
def tested(stage, listener, tmp_path):
    """Applies the target with smoke tests, as often as a test wants other ones."""

    def apply(tests):
        target = yaml.safe_load(TARGET_FILE.read_text()) | {"smoke": tests}
        file = tmp_path / "target.yaml"
        file.write_text(yaml.safe_dump(target))
        perch("apply", "-f", str(file))

    listener.status, listener.asked = 200, []
    apply(smoke(listener))
    yield apply
    perch("apply", "-f", str(TARGET_FILE))


def results(release):
    """What became of each check."""
    found = [entry["smoke"] for entry in release["journal"] if entry["what"] == "SmokeTested"]
    assert len(found) == 1, journaled(release, "SmokeTested")
    return found[0]


def test_a_canary_that_answers_as_expected_is_promoted(tested, listener, quiet):
    image = push_image.push_variant("healthy")
    release = ended(release_of(image.digest))
    assert release["phase"] == "Promoted", why(release)
    goal, ready = results(release)
    assert (goal["name"], goal["passed"], ready["name"], ready["passed"]) == ("a goal", True, "ready", True)
    assert ready["status"] == 200 and "status" not in goal
    assert goal["latencyMs"] < 10_000 and ready["latencyMs"] < 5_000
    assert listener.asked == [("/classify", "eu", SPORT)]
    names = [entry["what"] for entry in release["journal"]]
    assert names.index("CanaryPublished") < names.index("SmokeTested") < names.index("WeightShifted")
    version, split = alias()
    assert (split, version != quiet) == ({}, True)


def test_one_check_that_fails_blocks_the_release(stage, tested, listener, quiet):
    listener.status = 503
    image = push_image.push_variant("healthy")
    release = ended(release_of(image.digest))
    assert release["phase"] == "Rejected"
    assert 'failed: `ready`: status: expected 200, got 503: {"status": "ready"}' in why(release)
    assert [result["passed"] for result in results(release)] == [True, False]
    assert journaled(release, "WeightShifted") == [] and alias() == (quiet, {})
    told = stage.warnings.notified(release["id"], "ReleaseRejected")
    assert "1 of 2 smoke tests failed" in told["Body"]

    # The same build passes once the listener is well: a rejected artifact may come again.
    listener.status = 200
    args = ("--artifact", f"sha256:{image.digest.removeprefix('sha256:')}", "--reason", "the listener is well")
    again = perch("release", "start", TARGET, *args)
    release = ended(again["id"])
    assert release["phase"] == "Promoted", why(release)


def test_a_canary_with_other_answers_never_gets_traffic(tested, listener, quiet):
    tested(smoke(listener, category="politics"))
    image = push_image.push_variant("healthy")
    release = ended(release_of(image.digest))
    assert release["phase"] == "Rejected"
    assert '`a goal`: $.category: expected "politics", got "sport"' in why(release)
    assert journaled(release, "WeightShifted") == [] and alias() == (quiet, {})


def test_a_right_that_is_missing_is_a_failed_check_and_said(tested, quiet):
    with right_taken("perch-run-smoke-tests", "lambda:InvokeFunction"):
        image = push_image.push_variant("healthy")
        release = ended(release_of(image.digest))
    assert release["phase"] == "Rejected"
    assert "`a goal`: AccessDenied" in why(release), why(release)
    assert alias() == (quiet, {})


def test_checks_are_tried_from_a_laptop(tested, listener, quiet):
    def tried(*more):
        done = subprocess.run([PERCH, "smoke", TARGET, "-o", "json", *more], capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    code, found = tried()
    assert (code, [result["passed"] for result in found]) == (0, [True, True])
    code, found = tried("--version", "999")
    assert (code, [result["passed"] for result in found]) == (1, [False, True])
    assert "ResourceNotFoundException" in found[0]["differences"][0]
    assert perch("releases", "--target", TARGET, "--limit", "1")[0]["endedAt"], "nothing was started"
