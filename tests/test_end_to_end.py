"""Releases from push to end on a private local stack: the CLI, the events and what people are told."""

import functools
import json
import time
import uuid
from datetime import UTC, datetime

import yaml
from perch_local.lateness import Lateness

from stack import (
    FUNCTION,
    GUARD,
    REPOSITORY,
    TARGET,
    TARGET_FILE,
    UNKNOWN_DIGEST,
    alias,
    aws,
    deliver,
    ecr_event,
    ended,
    journaled,
    output,
    perch,
    put_events,
    reached,
    release_of,
    releases,
    right_taken,
    until,
    why,
)

import push_image  # isort: skip; `stack` says where it is


# ---- Events that lead to nothing -----------------------------------------------------------------


def test_an_unknown_image_is_rejected_and_named(quiet):
    with Lateness().watched() as late:
        began = time.monotonic()
        put_events(ecr_event())
        release_id = release_of(UNKNOWN_DIGEST)
        assert time.monotonic() - began < 2 + late.seconds
    release = ended(release_id)
    assert release["phase"] == "Rejected"
    assert f"{REPOSITORY}:v9" in why(release) and UNKNOWN_DIGEST[7:19] in why(release)
    assert alias() == (quiet, {})


def test_one_event_twice_has_one_effect(quiet):
    digest = "sha256:" + "cd" * 32
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": "000000000000",
        "region": "us-east-1",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [],
        "detail": ecr_event(digest),
    }
    deliver(event)
    first = ended(release_of(digest))
    deliver(event)
    assert [release["id"] for release in releases(digest)] == [first["id"]]
    assert perch("release", first["id"])["journal"] == first["journal"]
    executions = aws("stepfunctions").list_executions(stateMachineArn=output("CanaryDeployArn"))["executions"]
    assert [e["name"] for e in executions].count(first["id"]) == 1


def test_events_that_no_release_follows_leave_a_note_and_change_nothing(quiet):
    known = {release["id"] for release in releases()}
    unknown, foreign, untagged, _ = put_events(
        ecr_event(**{"repository-name": "team/unknown"}),
        ecr_event(tag="nightly"),
        ecr_event(tag=None),
        ecr_event(**{"action-type": "DELETE"}),
    )

    def note(event, *target):
        return until(
            lambda: next((note for note in perch("journal", *target) if note["event"] == event), None),
            f"a note about {event}",
        )

    assert "no target takes artifacts from this source" in note(unknown)["text"]
    assert "tag nightly matches none of the target's globs: v*" in note(foreign, TARGET)["text"]
    assert "only tagged pushes start a release" in note(untagged, TARGET)["text"]
    assert {release["id"] for release in releases()} == known
    assert alias() == (quiet, {})


def test_a_malformed_event_ends_in_the_dead_letters_with_its_field(stage, quiet):
    (event,) = put_events(ecr_event(digest=None))

    def letter():
        return next((m for m in stage.failed.messages() if event in m["Body"]), None)

    body = json.loads(until(letter, "the dead letter")["Body"])
    assert body["requestPayload"]["id"] == event
    assert "image-digest" in json.dumps(body["responsePayload"])
    assert alias() == (quiet, {})


def test_an_alias_that_someone_else_split_is_not_touched(quiet):
    digest = "sha256:" + "ef" * 32
    # An alias splits to a second version, and a change of the configuration makes one.
    functions = aws("lambda")
    settings = functions.get_function_configuration(FunctionName=FUNCTION)
    variables = settings.get("Environment", {}).get("Variables", {}) | {"CHANGED": str(uuid.uuid4())}
    functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})
    state = functools.partial(functions.get_function_configuration, FunctionName=FUNCTION)
    until(lambda: state()["LastUpdateStatus"] == "Successful", "the update of the function")
    other = functions.publish_version(FunctionName=FUNCTION)["Version"]
    assert other != quiet
    split = {"AdditionalVersionWeights": {other: 0.2}}
    functions.update_alias(FunctionName=FUNCTION, Name="live", RoutingConfig=split)
    try:
        put_events(ecr_event(digest))
        release = ended(release_of(digest))
        assert release["phase"] == "Rejected"
        assert f"split already (20% on version {other})" in why(release)
        assert alias() == (quiet, {other: 0.2})
    finally:
        whole = {"AdditionalVersionWeights": {}}
        functions.update_alias(FunctionName=FUNCTION, Name="live", RoutingConfig=whole)


def test_the_image_that_serves_already_is_rejected(quiet):
    version = aws("lambda").get_function(FunctionName=FUNCTION, Qualifier=quiet)
    digest = version["Code"]["ResolvedImageUri"].split("@")[1]
    put_events(ecr_event(digest))
    release = ended(release_of(digest))
    assert release["phase"] == "Rejected"
    assert f"serves already, as version {quiet}" in why(release)
    assert alias() == (quiet, {})


def test_a_target_without_its_alias_says_how_to_make_one(quiet, tmp_path):
    target = yaml.safe_load(TARGET_FILE.read_text())
    target |= {"name": "beta", "guards": [], "notify": {}}
    target["service"]["lambda"]["alias"] = "beta"
    target["sources"]["image"]["tags"] = ["beta-*"]
    path = tmp_path / "beta.yaml"
    path.write_text(yaml.safe_dump(target))
    perch("apply", "-f", str(path))
    put_events(ecr_event(tag="beta-1"))
    release_id = until(lambda: perch("releases", "--target", "beta"), "a release of beta")[0]["id"]
    release = ended(release_id)
    assert release["phase"] == "Rejected"
    assert "has no alias beta" in why(release) and "aws lambda create-alias" in why(release)


# ---- Releases ------------------------------------------------------------------------------------


def test_a_missing_right_moves_no_traffic_and_is_named(quiet):
    with right_taken("perch-shift-weight", "lambda:UpdateAlias"):
        image = push_image.push_variant("healthy")
        release = ended(release_of(image.digest))
    assert release["phase"] == "RolledBack"
    assert "Denied" in why(release) and "lambda:UpdateAlias" in why(release)
    assert journaled(release, "WeightShifted") == []
    assert alias() == (quiet, {})


def test_a_failing_image_is_rolled_back_by_the_judge_and_people_are_told(stage, quiet):
    image = push_image.push_variant("failing")
    release = ended(release_of(image.digest))
    stage.failing = release["canary"]
    assert release["phase"] == "RolledBack"
    assert release["verdict"]["outcome"] == "Fail" and "canary requests failed" in why(release)
    judged = [entry for entry in release["journal"] if entry["what"] == "BakeJudged"]
    assert judged[-1]["evidence"]["readings"]["canary"]["errors"] > 0
    assert release["weight"] == 0
    assert alias() == (quiet, {})

    notified = json.loads(stage.everything.notified(release["id"], "ReleaseRolledBack")["Body"])
    assert f"perch release {release['id']}" in notified["Message"]
    attributes = {name: value["Value"] for name, value in notified["MessageAttributes"].items()}
    assert attributes["severity"] == "warning" and attributes["target"] == TARGET
    stage.everything.notified(release["id"], "WeightShifted")
    stage.warnings.notified(release["id"], "ReleaseRolledBack")
    filtered = [json.loads(message["Body"])["MessageAttributes"] for message in stage.warnings.seen]
    assert {attributes["severity"]["Value"] for attributes in filtered} <= {"warning", "page"}

    def posted():
        return [b for b in stage.slack.received("ok") if release["id"] in json.dumps(b) and "rolled back" in b["text"]]

    body = until(posted, "the message in Slack")[0]
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "context"]


def test_a_guard_in_alarm_brings_the_baseline_back_within_seconds(quiet):
    image = push_image.push_variant("healthy")
    release_id = reached("Baking", release_of(image.digest))["id"]
    with Lateness().watched() as late:
        began = time.monotonic()
        aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="ALARM", StateReason="set by hand")
        until(lambda: alias() == (quiet, {}), "the baseline alone")
        assert time.monotonic() - began < 5 + late.seconds
    release = ended(release_id)
    assert release["phase"] == "RolledBack"
    assert f"guard {GUARD} in ALARM: set by hand" in why(release)
    aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="OK", StateReason="set by hand")


def test_a_second_push_waits_and_people_abort_and_promote(stage, quiet):
    stage.slack.mode = "hangs"
    first = push_image.push_variant("healthy")
    first_id = reached("Baking", release_of(first.digest))["id"]
    second = push_image.push_variant("healthy")
    waits = f"waits: the end of release {first_id}"
    until(lambda: any(note["text"] == waits for note in perch("journal", TARGET)), "a note that the second push waits")
    assert releases(second.digest) == []

    perch("abort", TARGET, "--reason", "wrong model", "--by", "ada")
    aborted = ended(first_id)
    assert aborted["phase"] == "RolledBack"
    assert journaled(aborted, "RollbackDecided") == ["aborted by ada: wrong model"]

    second_id = release_of(second.digest)
    assert reached("Baking", second_id)["cause"]["kind"] == "waited"
    stage.slack.mode = "fails"
    perch("promote", TARGET, "--reason", "hot fix", "--by", "bob")
    promoted = ended(second_id)
    assert promoted["phase"] == "Promoted", promoted
    assert journaled(promoted, "OrderGiven") == ["promote, by bob: hot fix"]
    assert journaled(promoted, "PromotionDecided") == ["ordered by bob: hot fix"]
    assert alias() == (promoted["canary"], {}) and promoted["canary"] != quiet

    # A Slack that hung or failed held nobody up: the topic has every message.
    for release_id, what in ((first_id, "ReleaseRolledBack"), (second_id, "ReleasePromoted")):
        stage.everything.notified(release_id, what)
    assert stage.slack.received("hangs") and stage.slack.received("fails")


def test_an_image_that_passed_still_goes_back_while_it_is_watched(quiet):
    image = push_image.push_variant("healthy")
    release_id = reached("Watching", release_of(image.digest))["id"]
    perch("rollback", TARGET, "--reason", "wrong labels", "--by", "ada")
    release = ended(release_id)
    assert release["phase"] == "RolledBack"
    assert journaled(release, "PromotionDecided") == ["every step of the plan is done"]
    assert journaled(release, "RollbackDecided") == ["aborted by ada: wrong labels"]
    assert alias() == (quiet, {})


def test_callers_were_harmed_by_the_failing_image_alone(stage):
    counted = stage.load.snapshot()
    assert counted.total.requests > 100
    assert counted.total.transport_errors == 0
    harmful = {version for version, counts in counted.versions.items() if counts.function_errors}
    assert harmful <= {stage.failing}
