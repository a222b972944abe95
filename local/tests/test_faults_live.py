"""Faults in a running server: what callers, functions, Tasks, events and stream batches see of each kind."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import FIXTURES, ROLE, calls, log_lines, ready, until, zipped

from perch_local import faulty_server
from perch_local.checkout import Stack
from perch_local.fault_plan import BadPlan, Plan
from perch_local.push_image import push
from perch_local.servers import free_port

PLAN = {"functions": "perch-", "subject": r"t-\d\d"}


@pytest.fixture(scope="module")
def control():
    stack = Stack(free_port())
    with faulty_server.running(stack, Plan(**PLAN, at_once=2), AUTH="false") as control:
        control.stack = stack
        yield control


@pytest.fixture
def faults(control):
    """Sets the rates for one test."""
    yield lambda **plan: control.follow(Plan(**{**PLAN, **plan}))
    control.follow(Plan(**PLAN))


@pytest.fixture(scope="module")
def client(control):
    """Clients of this server, in place of the session's."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = boto3.client(name, endpoint_url=control.stack.url, region_name="us-east-1", aws_access_key_id="test",
                                      aws_secret_access_key="test", config=Config(retries={"max_attempts": 1}))
        return made[name]
    return get


@pytest.fixture(scope="module")
def caller(client):
    """A function that calls AWS, and the table that it calls."""
    client("dynamodb").create_table(TableName="called", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                                    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                                    StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    for name in ("perch-caller", "bystander"):
        client("lambda").create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE, Timeout=10,
                                         Code={"ZipFile": zipped(FIXTURES / "caller" / "bootstrap")})
        ready(client("lambda"), name)
    return "arn:aws:lambda:us-east-1:000000000000:function:perch-caller"


def invoke(client, item, name="perch-caller"):
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps({"item": item}))
    return json.load(answer["Payload"])


def written(client, item):
    return "Item" in client("dynamodb").get_item(TableName="called", Key={"pk": {"S": item}}, ConsistentRead=True)


@pytest.mark.parametrize("kind, got, effect", [
    ("throttle", "com.amazon.coral.service#ThrottlingException", False), ("error", "com.amazon.coral.service#InternalServerError", False),
    ("drop", ("RemoteDisconnected", "ConnectionResetError", "URLError"), False), ("delay", 200, True),
    ("reset", ("RemoteDisconnected", "ConnectionResetError", "URLError"), True)])
def test_a_call_meets_each_kind(client, caller, control, faults, kind, got, effect):
    faults(rates={"call": {kind: 1}}, delay=(0.2, 0.2))
    found = invoke(client, f"t-01 {kind}")["got"]
    assert found == got or (isinstance(got, tuple) and found in got)
    assert written(client, f"t-01 {kind}") is effect
    line = control.lines("calls")[-1]
    assert (line["function"], line["subject"], line["operation"], line["fault"]) == ("perch-caller", "t-01", "DynamoDB.PutItem", kind)
    assert control.lines("faults")[-1]["kind"] == kind


@pytest.mark.parametrize("kind, effect", [("kill-before", False), ("kill-after", True)])
def test_a_process_dies_in_the_middle_of_a_call(client, caller, faults, kind, effect):
    alive = invoke(client, "t-01 alive")["pid"]
    faults(rates={"call": {kind: 1}})
    assert invoke(client, f"t-01 {kind}")["errorType"] == "Runtime.ExitError"
    assert written(client, f"t-01 {kind}") is effect
    faults()
    assert invoke(client, "t-01 again")["pid"] != alive


def test_bystanders_and_tests_meet_none(client, caller, control, faults):
    faults(rates={"call": {"drop": 1}})
    assert invoke(client, "t-01 bystander", "bystander")["got"] == 200
    assert written(client, "t-01 bystander")


def test_the_plan_is_checked(control):
    with pytest.raises(BadPlan, match="explode"):
        control._ask(json.dumps({"rates": {"call": {"explode": 1}}}).encode())
    assert isinstance(control.counts(), dict)


@pytest.mark.parametrize("kind, error, effect", [("refused", "Lambda.ServiceException", False),
                                                 ("throttled", "Lambda.TooManyRequestsException", False),
                                                 ("lost-answer", "Lambda.SdkClientException", True)])
def test_a_task_fails_before_or_after_its_effect(client, caller, faults, kind, error, effect):
    definition = {"StartAt": "Call", "States": {"Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
                  "Parameters": {"FunctionName": caller, "Payload.$": "$"}}}}
    machine = client("stepfunctions").create_state_machine(name=f"faulty-{kind}", roleArn=ROLE, definition=json.dumps(definition))
    faults(rates={"invoke": {kind: 1}})
    started = client("stepfunctions").start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"item": f"t-02 {kind}"}))
    describe = lambda: client("stepfunctions").describe_execution(executionArn=started["executionArn"])
    assert until(lambda: describe()["status"] == "FAILED") and describe()["error"] == error
    assert written(client, f"t-02 {kind}") is effect


def test_events_come_late_twice_or_never(client, caller, faults):
    rule = client("events").put_rule(Name="faulty", EventPattern=json.dumps({"source": ["tests", "aws.ecr"]}))["RuleArn"]
    client("lambda").add_permission(FunctionName="perch-caller", StatementId="r", Action="lambda:InvokeFunction",
                                    Principal="events.amazonaws.com", SourceArn=rule)
    client("events").put_targets(Rule="faulty", Targets=[{"Id": "1", "Arn": caller}])
    put = lambda n: client("events").put_events(Entries=[{"Source": "tests", "DetailType": "t", "Detail": json.dumps({"n": n})}])
    seen = lambda n: calls(client, "perch-caller").count({"n": n})
    logged = lambda: client("logs").filter_log_events(logGroupName="/aws/lambda/perch-caller")["events"]
    called_at = lambda n: next(e["timestamp"] for e in logged() if "CALL " in e["message"] and n in e["message"]) / 1000
    faults(rates={"event": {"duplicate": 1}}, delay=(0.1, 0.1))
    put("t-03 twice")
    assert until(lambda: seen("t-03 twice") == 2)
    faults(rates={"event": {"delay": 1}}, delay=(0.5, 0.5))
    sent = time.time()
    put("t-03 late")
    assert until(lambda: seen("t-03 late") == 1) and called_at("t-03 late") >= sent + 0.5
    faults(rates={"event": {"lose": 1}})
    put("t-03 lost")
    faults()
    put("t-03 after")
    assert until(lambda: seen("t-03 after") == 1) and seen("t-03 lost") == 0


def test_ecr_loses_the_pushes_that_the_plan_names(client, caller, control, faults, tmp_path):
    (tmp_path / "bootstrap").write_text("x")
    client("ecr").create_repository(repositoryName="t-04")
    announced = lambda: {c["image-tag"] for c in calls(client, "perch-caller") if c.get("repository-name") == "t-04"}
    faults(lose="t-04.*-lost")
    for tag in ("v1-lost", "v2"):
        push(str(tmp_path), "t-04", tag, client=client("ecr"), labels={"tag": tag})
    assert until(lambda: "v2" in announced()) and announced() == {"v2"}
    assert control.counts()["event.lose"] >= 1
    with pytest.raises(ClientError, match="does not exist"):
        client("ecr").put_image(repositoryName="none", imageManifest="{}", imageTag="t-04-lost")


def test_batches_come_twice(client, caller, faults):
    stream = client("dynamodb").describe_table(TableName="called")["Table"]["LatestStreamArn"]
    mapping = client("lambda").create_event_source_mapping(FunctionName=caller, EventSourceArn=stream, StartingPosition="TRIM_HORIZON")
    put = lambda pk: client("dynamodb").put_item(TableName="called", Item={"pk": {"S": pk}})
    seen = lambda pk: sum(pk in line for line in log_lines(client, "perch-caller") if "BATCH " in line)
    put("t-05 first")
    faults(rates={"record": {"duplicate": 1}})
    put("t-05 twice")
    assert until(lambda: seen("t-05 twice") == 2)
    faults(rates={"record": {"delay": 1}}, delay=(0.3, 0.3))
    put("t-05 late")
    assert until(lambda: seen("t-05 late") == 1)
    client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def test_no_more_invocations_at_once_than_the_plan_allows(client, caller, tmp_path):
    def pids(name, **event):
        payload = json.dumps(event)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: client("lambda").invoke(FunctionName=name, Payload=payload), range(4)))
        return {json.load(answer["Payload"])["pid"] for answer in answers}

    assert len(pids("perch-caller", sleep=0.5)) <= 2 and len(pids("bystander", meet=[str(tmp_path), 4])) == 4
