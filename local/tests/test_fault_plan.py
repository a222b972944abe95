"""The choices of a fault plan, and the errors of each protocol as botocore reads them."""
import http.client
import http.server
import io
import json
import threading
import types
from collections import Counter

import botocore.parsers
import botocore.session
import pytest

from perch_local import fault_answers
from perch_local.fault_plan import BadPlan, Fault, Faults, Place, Plan
from perch_local.fault_proxy import Proxy

RATES = {"call": {"drop": 0.2, "delay": 0.2}, "event": {"duplicate": 0.5}}


def drawn(seed, subject="a", count=400, rates=RATES, site="call"):
    faults = Faults(Plan(seed=seed, rates=rates, functions="perch-"))
    return [faults.choose(Place(site, "perch-x", subject, operation="Lambda.GetAlias")) for _ in range(count)]


def test_the_seed_decides():
    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, "a") != drawn(1, "b")


def test_one_place_does_not_move_another():
    faults = Faults(Plan(seed=1, rates=RATES, functions="perch-"))
    mixed = []
    for number in range(400):
        faults.choose(Place("call", "perch-x", f"other {number % 7}", operation="Lambda.GetAlias"))
        mixed.append(faults.choose(Place("call", "perch-x", "a", operation="Lambda.GetAlias")))
    assert mixed == drawn(1)


def test_rates_are_kept():
    kinds = Counter(fault and fault.kind for fault in drawn(3, count=4000, rates={"event": {"duplicate": 0.25, "lose": 0.1}}, site="event"))
    assert 850 < kinds["duplicate"] < 1150 and 310 < kinds["lose"] < 490


def test_a_fault_of_a_service_lasts_for_some_tries_of_the_same_call():
    kinds = [fault and fault.kind for fault in drawn(5, count=4000, rates={"call": {"drop": 0.05}})]
    starts = sum(now == "drop" != before for before, now in zip([None, *kinds], kinds, strict=False))
    assert kinds.count("drop") > 1.5 * starts


def test_functions_of_others_meet_none():
    faults = Faults(Plan(rates={"call": {"drop": 1}}, functions="perch-"))
    assert faults.choose(Place("call", "service", "a")) is None
    assert faults.choose(Place("record", "perch-x", "a")) is None
    assert faults.choose(Place("call", "perch-x", "a")).kind == "drop"
    assert faults.counts == {"call.drop": 1}


def test_a_plan_may_concern_functions_with_different_beginnings():
    plan = Plan.read(json.dumps({"rates": {"call": {"drop": 1}}, "functions": ["perch-", "CodeDeployHook_perch-"]}))
    met = [name for name in ("perch-x", "CodeDeployHook_perch-y", "CodeDeployHook_other", "service") if Faults(plan).choose(Place("call", name))]
    assert met == ["perch-x", "CodeDeployHook_perch-y"]


def test_every_fault_is_logged_with_its_place():
    log = io.StringIO()
    faults = Faults(Plan(rates={"call": {"hang": 1}}, hang=7), log)
    assert faults.choose(Place("call", "perch-x", "t1", "t1-2", "SNS.Publish")) == Fault("hang", 7)
    line = json.loads(log.getvalue())
    assert line.pop("at") > 0
    assert line == {"site": "call", "function": "perch-x", "subject": "t1", "release": "t1-2", "operation": "SNS.Publish",
                    "kind": "hang", "seconds": 7}


def test_subject_and_release_come_from_the_event():
    faults = Faults(Plan(subject=r"t-\d\d", lose="t-07.*lost"))
    assert faults.about({"releaseId": "t-03-20260101", "fence": 3}) == ("t-03", "t-03-20260101")
    assert faults.about({"detail": {"repository-name": "t-04"}}) == ("t-04", "")
    assert faults.about({"detail": {}}) == ("", "")
    assert faults.loses({"Detail": "t-07:v1-lost"}) and not faults.loses({"Detail": "t-08:v1-lost"})


@pytest.mark.parametrize("plan, message", [
    ({"rates": {"cal": {}}}, "rates: cal is not one of"),
    ({"rates": {"call": {"explode": 1}}}, "rates.call: explode is not one of"),
    ({"rates": {"call": {"drop": 2}}}, "rates.call.drop: 2 is not between 0 and 1"),
    ({"rates": {"call": {"drop": 0.6, "reset": 0.6}}}, "the sum is above 1"),
    ({"sed": 1}, "sed"),
])
def test_a_bad_plan_is_refused_with_the_field(plan, message):
    with pytest.raises(BadPlan, match=message):
        Plan.read(json.dumps(plan))


# Service, operation, the protocol of the parser, and the request's headers, path and body.
CALLS = [
    ("dynamodb", "GetItem", "json", {"x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0"}, "/", b"{}"),
    ("codedeploy", "StopDeployment", "json", {"x-amz-target": "CodeDeploy_20141006.StopDeployment",
                                              "content-type": "application/x-amz-json-1.1"}, "/", b"{}"),
    ("ssm", "GetParameter", "json", {"x-amz-target": "AmazonSSM.GetParameter", "content-type": "application/x-amz-json-1.1"}, "/", b"{}"),
    ("sns", "Publish", "query", {}, "/", b"Action=Publish&Version=2010-03-31"),
    ("lambda", "PublishVersion", "rest-json", {}, "/2015-03-31/functions/news/versions", b"{}"),
    ("cloudwatch", "DescribeAlarms", "smithy-rpc-v2-cbor", {}, "/service/GraniteServiceVersion20100801/operation/DescribeAlarms", b""),
]
EXPECTED = {"json": ("ThrottlingException", "InternalServerError"), "query": ("Throttling", "InternalFailure"),
            "rest-json": ("TooManyRequestsException", "ServiceException"),
            "smithy-rpc-v2-cbor": (("ThrottlingException", "Throttling"), ("InternalServiceFault", "InternalFailure"))}


@pytest.mark.parametrize("service, operation, protocol, headers, path, body", CALLS)
def test_an_sdk_reads_the_error_of_each_protocol(service, operation, protocol, headers, path, body):
    spoken, name, called = fault_answers.call_of("POST", path, headers, body)
    assert called == operation
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    for make, codes, right in zip((fault_answers.throttled, fault_answers.broken), EXPECTED[protocol],
                                  ((400, 429), (500,)), strict=True):
        status, fields, content = make(spoken, name)
        answer = {"status_code": status, "headers": fields, "body": content, "context": {"operation_name": operation}}
        parsed = botocore.parsers.create_parser(protocol).parse(answer, model.output_shape)
        assert parsed["Error"]["Code"] in ((codes,) if isinstance(codes, str) else codes) and status in right


@pytest.mark.parametrize("method, path, operation", [
    ("GET", "/2015-03-31/functions/news/aliases/live", "GetAlias"), ("PUT", "/2015-03-31/functions/news/aliases/live", "UpdateAlias"),
    ("GET", "/2015-03-31/functions/news", "GetFunction"), ("PUT", "/2015-03-31/functions/news/code", "UpdateFunctionCode")])
def test_calls_of_lambda_are_named(method, path, operation):
    assert fault_answers.call_of(method, path, {}, b"") == ("rest", "Lambda", operation)


@pytest.mark.parametrize("method, path, operation", [
    ("GET", "/models?versioning", "GetBucketVersioning"), ("GET", "/models?versions&prefix=news", "ListObjectVersions"),
    ("GET", "/models/news/v1/manifest.json?x-id=GetObject&versionId=1", "GetObject"), ("HEAD", "/models/news/v1/model.json", "HeadObject")])
def test_calls_of_s3_are_named(method, path, operation):
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/s3/aws4_request, Signature=0"}
    assert fault_answers.call_of(method, path, headers, b"") == ("rest", "S3", operation)


class Stored(http.server.BaseHTTPRequestHandler):
    """An object of five bytes, as S3 answers for it."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(b"model")

    def log_message(self, *_):
        """Nothing."""


def test_an_answer_to_head_has_a_length_and_no_body():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stored) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, close = Proxy(*server.server_address, Faults(Plan())).open(types.SimpleNamespace(function="perch-any", event={}))
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        for method, body in (("HEAD", b""), ("GET", b"model")):
            connection.request(method, "/models/model.json")
            answer = connection.getresponse()
            assert (answer.getheader("content-length"), answer.read()) == ("5", body)
        connection.close()
        close()
        server.shutdown()
