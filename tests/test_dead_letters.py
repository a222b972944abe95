"""Dead letters on a private local stack: events that get lost on each of their ways, and `perch dead-letters`."""

import contextlib
import json
import subprocess
import uuid

from stack import PERCH, aws, ecr_event, ended, output, perch, put_events, release_of, right_taken, until

ON_IMAGE_PUSH = "perch-on-image-push"


def digest():
    """A digest of an image that nobody pushed: its release is planned, and then rejected."""
    return "sha256:" + uuid.uuid4().hex * 2


def letters(*options):
    return perch("dead-letters", "list", *options)


def letter_about(event, *other_than):
    """The letter about an event, once it is there."""

    def found():
        about = [letter for letter in letters() if letter["event"] == event]
        return [letter for letter in about if letter["id"] not in other_than]

    return until(found, f"a dead letter about event {event}")[0]


def run(*arguments):
    """A command that may fail."""
    return subprocess.run([PERCH, "dead-letters", *arguments], capture_output=True, text=True, check=False)


@contextlib.contextmanager
def rule_locked_out(function):
    """A function that EventBridge may not call."""
    statement = json.loads(aws("lambda").get_policy(FunctionName=function)["Policy"])["Statement"][0]
    aws("lambda").remove_permission(FunctionName=function, StatementId=statement["Sid"])
    try:
        yield
    finally:
        aws("lambda").add_permission(
            FunctionName=function,
            StatementId=statement["Sid"],
            Action=statement["Action"],
            Principal=statement["Principal"]["Service"],
            SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
        )


def test_an_event_that_was_not_processed_starts_its_release_after_all(quiet):
    image = digest()
    with right_taken(ON_IMAGE_PUSH, "dynamodb:Query"):
        (event,) = put_events(ecr_event(image))
        letter = letter_about(event)
        assert (letter["queue"], letter["function"], letter["attempts"]) == ("failed", ON_IMAGE_PUSH, 3)
        assert letter["subject"] == f"image news-classifier:v9 ({image[7:19]})"
        assert "dynamodb:Query" in letter["error"]
        shown = perch("dead-letters", "show", letter["id"])
        assert shown["payload"]["id"] == event and shown["payload"]["detail"]["image-digest"] == image

        # While the cause is there the event comes back: as another letter.
        perch("dead-letters", "redrive", letter["id"])
        again = letter_about(event, letter["id"])
        assert [known["id"] for known in letters()] == [again["id"]]

    (outcome,) = perch("dead-letters", "redrive", again["id"])
    assert (outcome["id"], outcome["result"]) == (again["id"], "redriven")
    release = ended(release_of(image))
    assert release["phase"] == "Rejected" and release["cause"]["id"] == event
    assert letters() == []


def test_an_event_that_was_not_delivered_starts_its_release_after_all(quiet):
    image = digest()
    with rule_locked_out(ON_IMAGE_PUSH):
        (event,) = put_events(ecr_event(image))
        letter = letter_about(event)
    assert (letter["queue"], letter["function"], letter["attempts"]) == ("undelivered", ON_IMAGE_PUSH, 1)
    assert letter["source"].startswith("rule perch-OnImagePushFunctionImagePushed")
    assert letter["error"].startswith("NO_PERMISSIONS")
    assert letters("--queue", "failed") == []

    (would,) = perch("dead-letters", "redrive", "--all", "--dry-run")
    assert (would["id"], would["result"]) == (letter["id"], "wouldBeRedriven")
    assert [known["id"] for known in letters("--queue", "undelivered")] == [letter["id"]]
    (done,) = perch("dead-letters", "redrive", "--all")
    assert (done["id"], done["result"]) == (letter["id"], "redriven")
    assert ended(release_of(image))["cause"]["id"] == event
    assert letters() == []


def test_notifications_that_were_not_sent_are_sent_after_all(stage, quiet):
    image = digest()
    # Not `sns:Publish`: the topic's own policy lets every role of the account publish.
    with right_taken("perch-notify", "dynamodb:GetItem"):
        put_events(ecr_event(image))
        release = ended(release_of(image))["id"]

        def given_up():
            lost = [letter for letter in letters() if letter["function"] == "perch-notify"]
            return lost if sum(int(letter["subject"].split()[0]) for letter in lost) >= 2 else None

        lost = until(given_up, "the stream to give up both entries", 60)
        assert {letter["error"] for letter in lost} == {"RetryAttemptsExhausted"}
        refused = run("redrive", lost[0]["id"])
        assert refused.returncode == 1 and "could not tell it" in refused.stdout, refused
        assert "1 of 1 dead letters was not redriven" in refused.stderr
        assert lost[0]["id"] in {letter["id"] for letter in letters()}
    kinds = ("ReleasePlanned", "ReleaseRejected")
    assert [stage.everything.about(release, what) for what in kinds] == [[], []]
    perch("dead-letters", "redrive", "--all")
    for what in kinds:
        stage.everything.notified(release, what)
    assert [len(stage.everything.about(release, what)) for what in kinds] == [1, 1]
    assert letters() == []


def test_a_look_pages_through_all_letters_and_hides_none(quiet):
    queue = output("FailedEventsUrl")
    record = {
        "requestContext": {
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:payments:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"id": "e-1"},
    }
    for _ in range(23):
        aws("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(record))
    assert len(letters()) == 23
    assert len(letters()) == 23, "the look before gave all of them back"

    # Nobody's rights are used on a function of others, and what is refused stays where it is.
    refused = run("redrive", "--all")
    assert refused.returncode == 1
    assert "23 of 23 dead letters were not redriven" in refused.stderr
    assert refused.stdout.count("payments is no function of stack perch") == 23
    assert len(letters()) == 23
    aws("sqs").purge_queue(QueueUrl=queue)
    assert letters() == []


def test_an_unknown_letter_or_stack_is_named():
    for command in ("show", "redrive"):
        unknown = run(command, "no-such-letter")
        assert unknown.returncode == 3 and "no-such-letter" in unknown.stderr, unknown
    elsewhere = run("list", "--stack", "elsewhere")
    assert elsewhere.returncode == 3 and "queue elsewhere-undelivered-events does not exist" in elsewhere.stderr
    assert "Is Perch installed here as stack elsewhere?" in elsewhere.stderr


def test_alarms_on_old_letters_reach_the_topic(stage):
    alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix="perch-")["MetricAlarms"]
    watched = {alarm["AlarmName"]: alarm["Dimensions"] for alarm in alarms}
    queues = ("perch-failed-events", "perch-undelivered-events")
    assert watched == {f"{queue}-age": [{"Name": "QueueName", "Value": queue}] for queue in queues}
    for alarm in watched:
        aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="set by hand")

        def told(alarm=alarm):
            bodies = [json.loads(message["Body"]) for message in stage.everything.messages()]
            return any(alarm in body["Message"] and "set by hand" in body["Message"] for body in bodies)

        until(told, f"the notification of alarm {alarm}")
