"""The service of the ECS examples, as a process: what it answers, and what each variant breaks."""

import json
import time

import yaml
from perch_local.checkout import ROOT
from perch_stage.callers import Connections, http_invoke

import push_service

KEEN = {"secondsOnPage": 240, "scrollDepth": 0.95, "returning": True, "articlesToday": 5}
EXAMPLES = ("engagement-ml", "sensor-backend")


def checks(example):
    """The smoke tests of an example's two target files."""
    for name in ("target.yaml", "target.demo.yaml"):
        target = yaml.safe_load((ROOT / "examples" / example / name).read_text())
        yield from target["smoke"]["checks"]


def holds(found, wanted):
    """Whether a value is what a smoke test takes."""
    if isinstance(wanted, dict):
        return wanted.get("min", found) <= found <= wanted.get("max", found)
    return found == wanted


def values(said, paths):
    """Whether each path of a check finds what it should; the paths of the examples are `$.name` and `$.name[0]`."""
    for path, wanted in paths.items():
        name, _, place = path.removeprefix("$.").rstrip("]").partition("[")
        found = said[name][int(place)] if place and said[name] else said[name]
        yield holds(found, wanted)


def passes(service, check):
    """Whether a check of a target holds."""
    status, said, _ = service.ask(check["http"]["path"], check["http"]["body"])
    return status == 200 and all(values(said, check["expect"]["json"]))


def test_a_healthy_build_passes_its_smoke_tests(run):
    for example in EXAMPLES:
        service = run(example)
        assert all(passes(service, check) for check in checks(example)), example
        assert service.ask("/health") == (200, {"build": "b1"}, "")


def test_a_wrong_build_answers_and_fails_them(run):
    for example in EXAMPLES:
        service = run(example, "wrong")
        assert not any(passes(service, check) for check in checks(example)), example
        assert service.ask("/health")[0] == 200


def test_answers_name_their_build_and_bad_requests_are_refused(run):
    service = run("engagement-ml")
    status, said, build = service.ask("/score", KEEN)
    assert (status, said["model"], build) == (200, "engagement-2026-11", "b1")
    for wrong in ({}, {**KEEN, "scrollDepth": 1.5}, {**KEEN, "secondsOnPage": "long"}, [1]):
        assert service.ask("/score", wrong)[0] == 400, wrong
    assert run("sensor-backend").ask("/readings", {"sensor": "x", "values": []})[0] == 400


def test_a_failing_build_fails_about_a_third(run):
    service = run("engagement-ml", "failing")
    assert all(passes(service, check) for check in list(checks("engagement-ml"))[:2])
    answers = [service.ask("/score", KEEN) for _ in range(200)]
    failed = sum(status == 500 for status, _, _ in answers)
    assert 30 < failed < 110, failed
    assert {build for _, _, build in answers} == {"b1"}
    assert service.ask("/health")[0] == 200


def test_a_slow_build_is_slow_for_about_a_third(run):
    service, slow = run("sensor-backend", "slow"), 0
    for _ in range(30):
        began = time.monotonic()
        assert service.ask("/readings", {"sensor": "a", "values": [1, 2]})[0] == 200
        slow += time.monotonic() - began > 0.29
    assert 0 < slow < 30, slow


def test_an_unhealthy_build_answers_and_fails_its_health_check_later(run):
    service = run("engagement-ml", "unhealthy")
    assert service.ask("/health")[0] == 200
    service = run("engagement-ml", fault={**push_service.variants()["unhealthy"]["fault"], "afterSeconds": 0})
    assert (service.ask("/health")[0], service.ask("/score", KEEN)[0]) == (503, 200)


def test_a_build_writes_sessions_that_the_one_before_cannot_read(run):
    old, new = run("engagement-ml"), run("engagement-ml", "sessions")
    for check in list(checks("engagement-ml"))[:2]:
        assert passes(new, check)
    ask_old, ask_new = (http_invoke(one.url, "/score", str, cookies=True) for one in (old, new))
    visit = json.dumps(KEEN)
    # Alone each is well; the new one reads both formats.
    assert not any(ask(visit).function_error for ask in (ask_old, ask_old, ask_new, ask_new))
    kept = {"old": session(old, None), "new": session(new, None)}
    assert session(new, kept["old"])[0] == session(new, kept["new"])[0] == 200
    status, again = session(old, kept["new"])
    # The error begins a new session.
    assert status == 500 and session(old, (status, again))[0] == 200


def session(service, kept):
    """(status, cookie) of a request with the cookie of an earlier answer."""
    headers = {"cookie": kept[1]} if kept else {}
    reply = Connections(service.url).ask("POST", "/score", json.dumps(KEEN), {"content-type": "application/json", **headers})
    return reply.status, reply.headers["set-cookie"].partition(";")[0]


def test_it_ends_when_it_is_told_to(run):
    service = run("engagement-ml")
    service.process.terminate()
    assert service.process.wait(30) == 0
