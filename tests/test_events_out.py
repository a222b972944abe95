"""Events out on a private local stack: what a service hears that subscribed to the bus as docs/events.md says."""

import contextlib
import json
import re
import uuid

import jsonschema
import pytest
import yaml

from stack import ROOT, TARGET, Queue, aws, ecr_event, ended, output, perch, put_events, release_of, right_taken, until

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas/event.v1.json").read_text()))


def digest():
    return "sha256:" + uuid.uuid4().hex * 2


def documented_pattern():
    """The event pattern of the page, without its names of events."""
    (snippet,) = re.findall(r"```yaml\n(OnModelUpdated:.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL)

    class Loader(yaml.SafeLoader):
        """Takes CloudFormation's short forms as texts."""

    Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))
    event = yaml.load(snippet, Loader)["OnModelUpdated"]["Properties"]["Events"]["ModelUpdated"]["Properties"]
    assert event["EventBusName"] == output("BusName")
    pattern = event["Pattern"]
    assert pattern.pop("detail-type") == ["ModelUpdated", "ReleaseRolledBack"]
    return pattern


class Subscriber(Queue):
    """A queue behind a rule on the bus."""

    def events(self, release):
        """The events of a release that came so far, by name."""
        found = [json.loads(message["Body"]) for message in self.messages()]
        return {event["detail-type"]: event for event in found if event["detail"].get("release") == release}


@pytest.fixture
def subscriber(stage):
    """A service that subscribed."""
    name, bus = f"subscriber-{uuid.uuid4().hex[:8]}", output("BusName")
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = aws("events").put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(documented_pattern()))["RuleArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    aws("events").put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    yield Subscriber(url)
    aws("events").remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
    aws("events").delete_rule(Name=name, EventBusName=bus)
    aws("sqs").delete_queue(QueueUrl=url)


def rejected():
    """A release that ends at once: its image is in no registry."""
    image = digest()
    put_events(ecr_event(image))
    return image, ended(release_of(image))


def told(subscriber, release, *names):
    """The events of these names, once all came."""

    def all_there():
        events = subscriber.events(release)
        return events if set(names) <= set(events) else None

    return until(all_there, f"{names} of {release}")


def test_a_subscriber_hears_of_a_release(subscriber, quiet):
    image, release = rejected()
    events = told(subscriber, release["id"], "ReleasePlanned", "ReleaseRejected")
    for event in events.values():
        assert event["source"] == "perch.releases"
        SCHEMA.validate(event["detail"])
    entries = {entry["seq"]: entry for entry in release["journal"]}
    for name, event in events.items():
        detail = event["detail"]
        entry = entries[detail["seq"]]
        assert (name, detail["cause"], detail["at"]) == (entry["what"], entry["cause"], entry["at"])
        assert detail["id"] == f"{release['id']}/{entry['seq']}"
        assert event["time"][:19] == entry["at"][:19], "the event's time is when it was decided"
        assert (detail["target"], detail["artifact"]["digest"]) == (TARGET, image)
    assert events["ReleasePlanned"]["detail"]["phase"] == "Pending"
    assert events["ReleaseRejected"]["detail"]["phase"] == "Rejected"
    assert events["ReleaseRejected"]["detail"]["severity"] == "warning"


def test_a_stopped_line_is_told(subscriber, quiet):
    perch("stop", TARGET, "--reason", "incident 12")
    perch("resume", TARGET, "--reason", "mended")

    def stopped():
        found = [json.loads(message["Body"]) for message in subscriber.messages()]
        return {event["detail-type"]: event["detail"] for event in found if event["detail"]["schema"] == "perch.notice/v1"}

    notices = until(lambda: len(found := stopped()) == 2 and found, "both notices")
    assert sorted(notices) == ["LineResumed", "LineStopped"]
    for detail in notices.values():
        SCHEMA.validate(detail)
    assert "incident 12" in notices["LineStopped"]["cause"]


@pytest.mark.parametrize("broken, right", [("perch-notify", "dynamodb:GetItem")])
def test_people_who_can_not_be_told_hold_no_event_up(stage, subscriber, quiet, broken, right):
    with right_taken(broken, right):
        _, release = rejected()
        told(subscriber, release["id"], "ReleasePlanned", "ReleaseRejected")
        assert stage.everything.about(release["id"], "ReleaseRejected") == []
    # What was held up comes by itself, or out of the dead letters.
    def heard():
        with contextlib.suppress(AssertionError):
            perch("dead-letters", "redrive", "--all")
        return stage.everything.about(release["id"], "ReleaseRejected")

    until(heard, "the message about the rejection", 60)


def test_events_that_the_bus_did_not_take_are_sent_after_all(subscriber, quiet):
    def lost():
        letters = [letter for letter in perch("dead-letters", "list") if letter["function"] == "perch-publish-events"]
        return letters if sum(int(letter["subject"].split()[0]) for letter in letters) >= 2 else None

    with right_taken("perch-publish-events", "events:PutEvents"):
        _, release = rejected()
        until(lost, "the stream to give up both entries", 60)
        assert subscriber.events(release["id"]) == {}
    perch("dead-letters", "redrive", "--all")
    events = told(subscriber, release["id"], "ReleasePlanned", "ReleaseRejected")
    for event in events.values():
        SCHEMA.validate(event["detail"])
    assert perch("dead-letters", "list") == []
