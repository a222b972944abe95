"""Step Functions with JSONata: retries and catches by errorType, time-outs, nested starts, abort, idempotent start."""
import collections
import json

import pytest
from botocore.exceptions import ClientError
from conftest import calls, two_versions, until


@pytest.fixture
def machine(client, role):
    """Creates a machine of the given states and runs it; answers the ended execution."""
    sfn = client("stepfunctions")

    def make(name, states, **top):
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **top}
        return sfn.create_state_machine(name=name, roleArn=role, definition=json.dumps(definition))["stateMachineArn"]
    return make


def ended(client, execution):
    describe = lambda: client("stepfunctions").describe_execution(executionArn=execution)
    assert until(lambda: describe()["status"] != "RUNNING", every=0.05)
    return describe()


def run(client, arn, data=None, **more):
    return ended(client, client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(data or {}), **more)["executionArn"])


def call(function, payload, **more):
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
            "Arguments": {"FunctionName": function, "Payload": payload}, **more}


def test_lambda_error_types_drive_retry_and_catch(client, function, machine):
    arn = function("steps")
    caught = {"Type": "Pass", "End": True, "Output": "{% $states.input %}"}
    task = call(arn, {"fail": "{% $states.input.error %}", "id": "{% $states.input.id %}"},
                Retry=[{"ErrorEquals": ["Unavailable"], "IntervalSeconds": 1, "MaxAttempts": 5, "BackoffRate": 1, "MaxDelaySeconds": 1,
                        "JitterStrategy": "FULL"}],
                Catch=[{"ErrorEquals": ["Conflict"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}])
    made = machine("errors", {"Call": dict(task, Output="{% $states.result.Payload %}"), "Caught": caught})
    done = run(client, made, {"error": "Conflict", "id": 1})
    output = json.loads(done["output"])
    assert (done["status"], output["Error"]) == ("SUCCEEDED", "Conflict") and json.loads(output["Cause"])["errorMessage"] == "asked to fail"
    done = run(client, made, {"error": "Invalid", "id": 2})
    assert (done["status"], done["error"]) == ("FAILED", "Invalid")
    assert run(client, made, {"error": "Unavailable", "id": 3})["error"] == "Unavailable"
    assert collections.Counter(c["id"] for c in calls(client, "steps")) == {1: 1, 2: 1, 3: 6}
    assert json.loads(run(client, made, {"error": False, "id": 4})["output"])["version"] == "$LATEST"


def test_lambda_result_and_weights(client, function, machine):
    arn = two_versions(client, function, "stepsalias", 0.5)
    made = machine("weights2", {"Call": call(arn + ":live", {}, Output="{% [$states.result.ExecutedVersion, $states.result.Payload.version, "
                                            "$states.result.StatusCode] %}")})
    starts = [client("stepfunctions").start_execution(stateMachineArn=made)["executionArn"] for _ in range(40)]
    seen = collections.Counter(tuple(json.loads(ended(client, e)["output"])) for e in starts)
    assert set(seen) == {("1", "1", 200), ("2", "2", 200)} and min(seen.values()) > 5
    for _ in range(10):
        assert client("lambda").get_function(FunctionName="stepsalias", Qualifier="live")["Configuration"]["Version"] == "1"


def test_task_and_machine_time_out(client, function, machine):
    arn = function("slow")
    made = machine("slowtask", {"Call": call(arn, {"sleep": 4}, TimeoutSeconds="{% 1 %}", Catch=[
        {"ErrorEquals": ["States.Timeout"], "Next": "Late"}]), "Late": {"Type": "Fail", "Error": "TooLate"}})
    assert run(client, made)["error"] == "TooLate"
    done = run(client, machine("slowmachine", {"Hold": {"Type": "Wait", "Seconds": 600, "End": True}}, TimeoutSeconds=1))
    assert (done["status"], done["error"]) == ("TIMED_OUT", "States.Timeout")


def test_a_function_time_out_has_its_error_name(client, function, machine):
    made = machine("functiontimeout", {"Call": call(function("short", Timeout=1), {"sleep": 5})})
    assert run(client, made)["error"] == "Sandbox.Timedout"


def test_start_is_idempotent_while_running(client, machine):
    sfn, made = client("stepfunctions"), machine("once", {"Hold": {"Type": "Wait", "Seconds": 60, "End": True}})
    start = lambda data: sfn.start_execution(stateMachineArn=made, name="release-1", input=data)
    first, again = start('{"a":1}'), start('{"a":1}')
    assert (first["executionArn"], first["startDate"]) == (again["executionArn"], again["startDate"])
    for when in ("running", "ended"):
        with pytest.raises(ClientError) as refused:
            start('{"a":2}' if when == "running" else '{"a":1}')
        assert refused.value.response["Error"]["Code"] == "ExecutionAlreadyExists"
        if when == "running":
            sfn.stop_execution(executionArn=first["executionArn"])
            ended(client, first["executionArn"])


@pytest.mark.parametrize("resource,error", [("states:startExecution", "StepFunctions.ExecutionAlreadyExistsException"),
                                            ("aws-sdk:sfn:startExecution", "Sfn.ExecutionAlreadyExistsException")])
def test_nested_start(client, machine, resource, error):
    tag = resource.split(":")[0]
    child = machine(f"child-{tag}", {"Hold": {"Type": "Wait", "Seconds": 60, "End": True}})
    made = machine(f"parent-{tag}", {"Start": {
        "Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True, "Output": "{% $states.result.ExecutionArn %}",
        "Arguments": {"StateMachineArn": child, "Name": "release-1",
                      "Input": "{% $states.input %}" if tag == "states" else "{% $string($states.input) %}"}}})
    first = run(client, made, {"a": 1})
    assert first["status"] == "SUCCEEDED" and json.loads(run(client, made, {"a": 1})["output"]) == json.loads(first["output"])
    assert run(client, made, {"a": 2})["error"] == error
    client("stepfunctions").stop_execution(executionArn=json.loads(first["output"]))


def test_stop_from_another_machine_holds(client, function, machine, tmp_path):
    gate = tmp_path / "gate"
    victim = machine("victim", {"Call": call(function("victim", Timeout=60), {"gate": str(gate), "fail": "Late"}, Retry=[
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 9}], Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Next"}]),
        "Next": {"Type": "Pass", "End": True}})
    running = client("stepfunctions").start_execution(stateMachineArn=victim)["executionArn"]
    assert until(gate.with_suffix(".here").exists, every=0.02)
    assert client("stepfunctions").get_execution_history(executionArn=running)["events"][-1]["type"] == "TaskScheduled"
    stopper = machine("stopper", {"Stop": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:stopExecution", "End": True,
                                           "Arguments": {"ExecutionArn": "{% $states.input.arn %}", "Error": "Superseded", "Cause": "newer"}}})
    assert run(client, stopper, {"arn": running})["status"] == "SUCCEEDED"
    gate.touch()
    assert until(lambda: calls(client, "victim"))
    after = client("stepfunctions").describe_execution(executionArn=running)
    assert (after["status"], after["error"], after["cause"]) == ("ABORTED", "Superseded", "newer")
    gone = run(client, stopper, {"arn": running.replace("victim", "nobody")})
    assert gone["error"] == "Sfn.ExecutionDoesNotExistException"
    assert len(calls(client, "victim")) == 1


def test_states_all_does_not_catch_runtime_errors(client, machine):
    made = machine("runtime", {"Bad": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:nosuch:call", "End": True, "Arguments": {},
                                       "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}, "Caught": {"Type": "Succeed"}})
    assert run(client, made)["error"] == "States.Runtime"


def test_executions_start_at_once(client, machine):
    """The quickest counts: a wait before the first state would be in all of them, a busy machine delays some."""
    made = machine("quick", {"Done": {"Type": "Succeed"}})
    done = [run(client, made) for _ in range(20)]
    assert min((d["stopDate"] - d["startDate"]).total_seconds() for d in done) < 0.1
