"""What each event of `events/` needs to be there before, and what has to have changed after."""
import dataclasses
import json
import secrets
import time

import boto3

from perch_local.sam_deployment_cases import AnswerHook, FollowDeployment, OnDeploymentChange, StopDeployment
from perch_local.sam_reload_cases import PrepareModel, ReadReplicas, ReloadReplicas, RestoreReplicas
from perch_local.sam_service_cases import FollowService, StopService
from perch_local.sam_world import ALIAS, FUNCTION, MODEL_TARGET, RELEASE, ZIP_TARGET, ago, cut, event, execution, expect, shown, stamp, until

REQUESTS = 160


@dataclasses.dataclass(frozen=True)
class Case:
    """Prepares the state for an event and checks what the function made of it."""

    function: str                               # its folder, and the name of its event
    prepare: object                             # (world) -> what `check` needs
    check: object                               # (world, prepared, answer) -> what was read back, for people
    again: object = lambda answer: False        # whether the answer asks for another call
    event: object = None                        # (prepared) -> the event, where AWS makes ids that no file can know
    ahead: object = None                        # (stack): what takes so long that it begins while other cases run


# By name: that of the function, or one of its own where the function has another case already.
CASES = {}


def case(name, again=None, function=None):
    """A class with `prepare` and `check` as a case of a function."""
    def add(cls):
        CASES[name] = Case(function or name, cls.prepare, cls.check, again or Case.again, getattr(cls, "event", None),
                           getattr(cls, "ahead", None))
        return cls
    return add


@case("on-image-push")
class OnImagePush:
    """A push leads to a release and its execution. The image of the event is nowhere, so the release ends as Rejected."""

    @staticmethod
    def prepare(world):
        """Have the image be new."""
        world.spec()
        world.forget_artifact(event("on-image-push")["detail"]["image-digest"])

    @staticmethod
    def check(world, _, answer):
        """The release, its first journal entry, its execution."""
        pushed = event("on-image-push")
        release = world.release_of(pushed["detail"]["image-digest"])
        expect(release == RELEASE, f"release {release} was recorded; the steps' events expect {RELEASE}")
        expect(world.record()["cause"]["id"] == pushed["id"], "the release names another event as its cause")
        expect("ReleasePlanned" in world.journal(), "the journal has no ReleasePlanned")
        return f"release {release}, execution {execution(world, release)}, ended {world.ended(release)}"


@case("on-package-upload")
class OnPackageUpload:
    """An upload leads to a release. Its target's function is not deployed, so the release ends as Rejected."""

    @staticmethod
    def identity():
        """The package as Perch names it."""
        detail = event("on-package-upload")["detail"]
        return f"s3://{detail['bucket']['name']}/{detail['object']['key']}@{detail['object']['version-id']}"

    @staticmethod
    def prepare(world):
        """Have the package be new."""
        world.spec(ZIP_TARGET)
        world.forget_artifact(OnPackageUpload.identity(), ZIP_TARGET)

    @staticmethod
    def check(world, _, answer):
        """The release, its execution."""
        release = world.release_of(OnPackageUpload.identity(), ZIP_TARGET)
        expect(world.record(release)["artifact"]["kind"] == "package", "the release is not of a package")
        expect("ReleasePlanned" in world.journal(release), "the journal has no ReleasePlanned")
        return f"release {release}, execution {execution(world, release)}, ended {world.ended(release)}"


@case("on-model-upload")
class OnModelUpload:
    """An upload is checked. The bucket has no such manifest, so the event leaves a note."""

    @staticmethod
    def prepare(world):
        """Have the bucket there, with versions."""
        world.spec(MODEL_TARGET)
        s3, bucket = boto3.client("s3"), event("on-model-upload")["detail"]["bucket"]["name"]
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    @staticmethod
    def check(world, _, answer):
        """The note at the target."""
        told = event("on-model-upload")
        when = told["time"].replace("Z", ".000Z")
        note = world.item(f"TARGET#{MODEL_TARGET}", f"NOTE#{when}#{told['id']}")
        expect(note and "was deleted after the upload" in note["text"], f"no note says that the manifest is gone: {note}")
        return f"note: {cut(note['text'], 60)}"


@case("on-alarm")
class OnAlarm:
    """A guard in ALARM puts the baseline back, and the rollback machine does the rest."""

    @staticmethod
    def prepare(world):
        """A canary with traffic, of a release whose rollback has not run."""
        place, weight = world.step(0)
        release = f"{RELEASE}-{secrets.token_hex(3)}"
        phase = {"name": "Baking", "step": place, "weight": weight, "since": stamp(ago(seconds=4))}
        return release, world.stage(phase, weight=weight, seq=5, release=release)

    @staticmethod
    def check(world, prepared, answer):
        """The alias, then how the release ended."""
        release, (baseline, _) = prepared
        expect(world.alias() == (baseline, {}), f"the alias is {shown(world.alias())}")
        ended = world.ended(release)
        expect(ended.startswith("RolledBack"), f"the release ended {ended}")
        cause = world.record(release)["phase"]["cause"]
        return f"alias on version {baseline} alone; release ended RolledBack, guard {cause['alarm']}"


@case("prepare-canary", again=lambda answer: answer["next"] == "Prepare")
class PrepareCanary:
    """A new release gets its ledger, its code and its version, a call for each."""

    @staticmethod
    def prepare(world):
        """A pushed image and a release of it that has just been planned."""
        image = world.push()
        artifact = {"kind": "image", "repository": FUNCTION, "digest": image.digest, "tag": image.tag}
        baseline, _ = world.stage({"name": "Pending"}, seq=1, artifact=artifact, ledger=None, code=None, canary=None)
        return image.digest, baseline

    @staticmethod
    def check(world, prepared, answer):
        """The version and its image; the alias is as it was."""
        digest, baseline = prepared
        canary = world.record()["canary"]
        expect(answer["next"] == "Shift" and canary, f"no version was published; the answer is {answer}")
        expect(world.digest(canary) == digest, f"version {canary} runs another image")
        expect(world.alias() == (baseline, {}), f"the alias is {shown(world.alias())}")
        found = [what for what in ("LedgerTaken", "CodeSet", "CanaryPublished") if what in world.journal()]
        expect(len(found) == 3, f"the journal has only {found}")
        return f"version {canary} runs {digest[:19]}; alias still on {baseline}; journal {', '.join(found)}"


@case("run-smoke-tests")
class RunSmokeTests:
    """The canary answers its smoke tests before it has any traffic."""

    @staticmethod
    def prepare(world):
        """A published canary whose target asks for a headline to be sorted."""
        check = {"name": "a goal is sport", "invoke": {"payload": {"text": "Striker scores in cup final"}},
                 "expect": {"within": "10s", "json": {"$.category": "sport"}}}
        plan = world.plan() | {"smoke": {"checks": [check]}}
        return world.stage({"name": "Preparing"}, plan=plan)

    @staticmethod
    def check(world, prepared, answer):
        """The results in the journal; the alias is as it was."""
        baseline, _ = prepared
        entry = world.journal().get("SmokeTested")
        expect(entry and len(entry["smoke"]) == 1, f"the journal has no results: {entry}")
        result = entry["smoke"][0]
        expect(result["passed"] and answer["next"] == "Shift", f"result {result}, answer {answer}")
        expect(world.alias() == (baseline, {}), f"the alias is {shown(world.alias())}")
        return f"journal {entry['cause']}; alias still on {baseline}; next Shift"


@case("shift-weight")
class ShiftWeight:
    """The alias gets the step's weight."""

    @staticmethod
    def prepare(world):
        """A release that is to be shifted to its first step."""
        place, weight = world.step(0)
        return *world.stage({"name": "Shifting", "step": place, "weight": weight}), weight

    @staticmethod
    def check(world, prepared, answer):
        """The alias's weights, the phase."""
        baseline, canary, weight = prepared
        expect(world.alias() == (baseline, {canary: weight / 100}), f"the alias is {shown(world.alias())}")
        phase = world.record()["phase"]
        expect(phase["name"] == "Baking" and answer["next"] == "Judge", f"phase {phase}, answer {answer}")
        return f"alias {shown(world.alias())}; phase Baking; journal {world.journal()['WeightShifted']['cause']}"


@case("judge-canary")
class JudgeCanary:
    """A look at real requests to both versions is written down with its evidence."""

    @staticmethod
    def prepare(world):
        """A bake at its end, with requests to both versions that are settled in CloudWatch."""
        place, weight = world.step(-1)
        since = ago(seconds=30)
        world.stage({"name": "Baking", "step": place, "weight": weight, "since": stamp(since)}, weight=weight, seq=6)
        for number in range(REQUESTS):
            world.functions.invoke(FunctionName=FUNCTION, Qualifier=ALIAS, Payload=json.dumps({"text": f"Markets rise {number}"}))
        # Perch reads whole periods that ended half a period ago (crates/app/src/judge_canary.rs).
        period = world.interval()
        settled = (time.time() // period + 1) * period + period / 2
        time.sleep(max(0.0, settled - time.time()))

    @staticmethod
    def check(world, _, answer):
        """The journal entry and what it rests on."""
        entry = world.journal().get("BakeJudged")
        expect(entry and entry.get("evidence"), "the journal has no BakeJudged with evidence")
        readings = entry["evidence"]["readings"]
        canary, baseline = int(readings["canary"]["requests"]), int(readings["baseline"]["requests"])
        expect(canary and baseline and canary + baseline >= REQUESTS, f"{canary} + {baseline} of {REQUESTS} requests were read")
        return f"journal {entry['cause']} ({canary} canary and {baseline} baseline requests); next {answer['next']}"


@case("promote-canary")
class PromoteCanary:
    """The alias goes to the canary alone."""

    @staticmethod
    def prepare(world):
        """A release whose last bake has passed."""
        weight = world.step(-1)[1]
        return world.stage({"name": "Promoting", "from": weight}, weight=weight, seq=8)

    @staticmethod
    def check(world, prepared, answer):
        """The alias, the phase."""
        _, canary = prepared
        expect(world.alias() == (canary, {}), f"the alias is {shown(world.alias())}")
        expect(world.record()["phase"]["name"] == "Watching", f"phase {world.record()['phase']}")
        return f"alias {shown(world.alias())}; phase Watching; journal {world.journal()['CanaryPromoted']['cause']}"


@case("restore-traffic")
class RestoreTraffic:
    """The alias goes back to the baseline alone, and the release ends."""

    @staticmethod
    def prepare(world):
        """A canary with traffic."""
        place, weight = world.step(-1)
        return world.stage({"name": "Baking", "step": place, "weight": weight, "since": stamp(ago(seconds=4))}, weight=weight, seq=7)

    @staticmethod
    def check(world, prepared, answer):
        """The alias, the end."""
        baseline, _ = prepared
        expect(world.alias() == (baseline, {}), f"the alias is {shown(world.alias())}")
        record = world.record()
        expect(record["phase"]["name"] == "RolledBack" and answer["next"] == "Close", f"phase {record['phase']}, answer {answer}")
        expect("active" not in world.head(), "the release still holds the target")
        return f"alias {shown(world.alias())}; phase RolledBack; journal {world.journal()['ReleaseRolledBack']['cause']}"


@case("close-release")
class CloseRelease:
    """The artifact that waited gets its release."""

    @staticmethod
    def prepare(world):
        """A release that has ended, and an image that came meanwhile."""
        world.stage({"name": "RolledBack", "cause": event("restore-traffic")["cause"]}, seq=9, endedAt=stamp())
        return world.wait_for_turn()

    @staticmethod
    def check(world, digest, answer):
        """The new release and what started it."""
        release = world.release_of(digest)
        expect(world.record(release)["cause"]["kind"] == "waited", "the new release does not say that it waited")
        expect("waiting" not in world.head(), "the image still waits")
        expect(answer["next"] == "End", f"answer {answer}")
        return f"release {release} of the image that waited, execution {execution(world, release)}, ended {world.ended(release)}"


@case("reconcile")
class Reconcile:
    """A target that is due and has nobody to carry on gets the release of the artifact that waits."""

    @staticmethod
    def prepare(world):
        """A free target that is due, and an image that waits for an end which has passed."""
        world.spec()
        world.due_now()
        return world.wait_for_turn(), stamp()

    @staticmethod
    def check(world, prepared, answer):
        """The release, and the sweep's own journal."""
        digest, began = prepared
        release = world.release_of(digest)
        expect(world.record(release)["cause"]["kind"] == "waited", "the new release does not say that it waited")
        runs = [run for run in world.sweeps() if run["at"] >= began[:19]]
        did = [line for run in runs for line in run["did"] if release in line]
        expect(did, f"no run of the sweep says that it started {release}: {runs}")
        expect(world.head()["dueAt"] > began, "the target is still due")
        return f"{cut(did[0])}; execution {execution(world, release)}, ended {world.ended(release)}"


@case("notify")
class Notify:
    """A journal entry and a notice reach the topic's subscribers."""

    @staticmethod
    def prepare(world):
        """A queue that is subscribed to the topic, and the entry's release."""
        place, weight = world.step(0)
        world.stage({"name": "Baking", "step": place, "weight": weight, "since": stamp(ago(seconds=4))}, weight=weight, seq=5)
        queues, topics = boto3.client("sqs"), boto3.client("sns")
        url = queues.create_queue(QueueName=f"sam-local-{secrets.token_hex(4)}")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                  "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": world.outputs["TopicArn"]}}}]}
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        subscribed = topics.subscribe(TopicArn=world.outputs["TopicArn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        return url, subscribed["SubscriptionArn"]

    @staticmethod
    def check(world, prepared, answer):
        """The message in the queue."""
        url, subscription = prepared
        queues, told = boto3.client("sqs"), {}
        entry, notice = (record["dynamodb"]["NewImage"] for record in event("notify")["Records"])
        wanted = {f"{entry['release']['S']}/{entry['seq']['N']}",
                  "/".join(notice[name]["S"] for name in ("target", "at", "id"))}

        def received():
            for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                body = json.loads(message["Body"])
                told[body.get("MessageAttributes", {}).get("entry", {}).get("Value")] = body["Subject"]
            return wanted <= set(told)
        try:
            expect(answer == {"batchItemFailures": []}, f"answer {answer}")
            until(received, 15, f"messages about {wanted}")
        finally:
            boto3.client("sns").unsubscribe(SubscriptionArn=subscription)
            queues.delete_queue(QueueUrl=url)
        return f"messages of the topic in a queue: {'; '.join(told[name] for name in sorted(wanted))}"


@case("publish-events")
class PublishEvents:
    """A journal entry and a notice reach a rule on the bus."""

    @staticmethod
    def prepare(world):
        """A queue behind a rule that takes all of Perch's events."""
        queues, rules, name = boto3.client("sqs"), boto3.client("events"), f"sam-local-{secrets.token_hex(4)}"
        bus = world.outputs["BusName"]
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = rules.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["perch.releases"]}))["RuleArn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                  "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}]}
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        rules.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        return url, name, bus

    @staticmethod
    def check(world, prepared, answer):
        """The events in the queue."""
        url, name, bus = prepared
        queues, rules, told = boto3.client("sqs"), boto3.client("events"), {}
        entry, notice = (record["dynamodb"]["NewImage"] for record in event("publish-events")["Records"])
        wanted = {f"{entry['release']['S']}/{entry['seq']['N']}",
                  "/".join(notice[name]["S"] for name in ("target", "at", "id"))}

        def received():
            for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                body = json.loads(message["Body"])
                told[body["detail"]["id"]] = body["detail-type"]
            return wanted <= set(told)
        try:
            expect(answer == {"batchItemFailures": []}, f"answer {answer}")
            until(received, 15, f"events {wanted}")
        finally:
            rules.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
            rules.delete_rule(Name=name, EventBusName=bus)
            queues.delete_queue(QueueUrl=url)
        return f"events of the bus in a queue: {', '.join(told[name] for name in sorted(wanted))}"


case("on-deployment-change")(OnDeploymentChange)
follows, unwinds = (lambda answer: answer["next"] == "Follow"), (lambda answer: answer["next"] == "Unwind")
case("follow-deployment", again=follows)(FollowDeployment)
case("follow-deployment-of-service", again=follows, function="follow-deployment")(FollowService)
case("stop-deployment", again=unwinds)(StopDeployment)
case("stop-deployment-of-service", again=unwinds, function="stop-deployment")(StopService)
case("answer-hook")(AnswerHook)
case("read-replicas")(ReadReplicas)
case("prepare-model", again=lambda answer: answer["next"] == "Prepare")(PrepareModel)
case("reload-replicas", again=lambda answer: answer["next"] == "Shift")(ReloadReplicas)
case("restore-replicas", again=lambda answer: answer["next"] == "Restore")(RestoreReplicas)


def prepare(world, name):
    """Bring the stack into the state that the event of a function needs."""
    world.idle()
    world.forget()
    return CASES[name].prepare(world)
