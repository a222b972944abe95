"""Every request that an adapter builds is one that AWS's own service models know.

The adapters' tests (crates/aws/tests/adapters) write down what they send; `cargo test` runs before this. Held against botocore:
the operation exists, every field is known to it, has the right type and the allowed length, and none that it requires is missing.
"""

import base64
import json
import re
import urllib.parse
from pathlib import Path

import botocore.session
import botocore.validate
import cbor2
import pytest

RECORDED = Path(__file__).resolve().parent.parent / "target/tmp/requests.jsonl"
# The prefix of `x-amz-target`, where a protocol has one, or the first label of the host.
SERVICES = {
    "AWSEvents": "events",
    "AWSStepFunctions": "stepfunctions",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
    "CodeDeploy_20141006": "codedeploy",
    "DynamoDB_20120810": "dynamodb",
    "Route53AutoNaming_v20170314": "servicediscovery",
    "TrentService": "kms",
    "monitoring": "cloudwatch",
    "lambda": "lambda",
    "secretsmanager": "secretsmanager",
}
FORM = "application/x-www-form-urlencoded"
# The first label of the host of a service whose requests are forms.
FORMS = {"elasticloadbalancing": "elbv2", "sns": "sns"}
# Its protocol has no body of fields, but XML.
XML = ("s3",)
LOADER = botocore.session.get_session()


def requests():
    assert RECORDED.is_file(), f"{RECORDED} is missing: `cargo test --workspace` writes it"
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def service_of(request):
    if re.match(r"(.+\.)?s3[.-]", request["host"]):
        return "s3"
    prefix = request["target"].split(".")[0] if request["target"] else re.split(r"[.:]", request["host"])[0]
    if request["path"].startswith("/service/"):
        return "cloudwatch"
    return {**SERVICES, **FORMS}.get(prefix, prefix)


def body_of(request):
    body = base64.b64decode(request["body"])
    if not body:
        return {}
    return cbor2.loads(body) if request["type"] == "application/cbor" else json.loads(body)


def tree(form):
    """The fields of a form by the parts of their names: {"Names": {"member": {"1": ..}}}."""
    root = {}
    for name, value in form.items():
        *path, last = name.split(".")
        place = root
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return root


def unfolded(shape, value):
    """A value of a form as its structure: lists and maps have numbers, and all is text."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {k: unfolded(shape.members[k], v) if k in shape.members else v for k, v in value.items()}
    if shape.type_name in ("list", "map") and isinstance(value, dict):
        inside = value.get("entry" if shape.type_name == "map" else "member")
        numbers = inside if isinstance(inside, dict) else {}
        rows = [numbers[number] for number in sorted(numbers, key=int)]
        if shape.type_name == "list":
            return [unfolded(shape.member, row) for row in rows]
        key, item = (part.serialization.get("name", plain) for part, plain in ((shape.key, "key"), (shape.value, "value")))
        return {row[key]: unfolded(shape.value, row[item]) for row in rows}
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(value, value)
    return value


def by_form(model, request):
    """The operation of a request that is a form, and its parameters."""
    form = dict(urllib.parse.parse_qsl(base64.b64decode(request["body"]).decode()))
    assert form.pop("Version") == model.api_version, form
    operation = model.operation_model(form.pop("Action"))
    return operation, unfolded(operation.input_shape, tree(form))


def by_path(model, request):
    """The operation of a REST request, and what its path and query say."""
    path, _, query = request["path"].partition("?")
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"].split("?")[0]))
        found = re.fullmatch(pattern, path)
        if http["method"] == request["method"] and found:
            operation = model.operation_model(name)
            places = {m.serialization.get("name", n): n for n, m in operation.input_shape.members.items()}
            given = {**found.groupdict(), **dict(urllib.parse.parse_qsl(query))}
            return operation, {places.get(k, k): urllib.parse.unquote(v) for k, v in given.items()}
    raise AssertionError(f"no operation of {model.service_name} has {request['method']} {path}")


def plain(shape, value):
    """A value as botocore's validator takes it: bytes where the wire has base64, whole numbers in the query as numbers."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {k: plain(shape.members[k], v) if k in shape.members else v for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [plain(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: plain(shape.value, v) for k, v in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    if shape.type_name in ("integer", "long") and isinstance(value, str):
        return int(value)
    return value


def unknown(shape, value, path=""):
    """Fields that a structure does not have: the validator itself reports them at the top alone."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from unknown(shape.members[name], item, f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from unknown(shape.member, item, f"{path}[]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for item in value.values():
            yield from unknown(shape.value, item, f"{path}[]")


def outside(shape, value, path=""):
    """Texts that are none of the allowed ones: the validator does not look at enumerations."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            yield from outside(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from outside(shape.member, item, f"{path}[]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path} is {value}"


def problems(service, operation, params):
    """What AWS's model of an operation has against a request."""
    if operation.input_shape is None:
        return [] if not params else [f"{operation.name} takes nothing"]
    params = plain(operation.input_shape, params)
    found = [f"{operation.name}{path} is unknown" for path in unknown(operation.input_shape, params)]
    if not found:
        report = botocore.validate.ParamValidator().validate(params, operation.input_shape)
        found = [report.generate_report()] if report.has_errors() else []
        found += [f"{operation.name}{text}" for text in outside(operation.input_shape, params)]
    return [f"{service}: {text}" for text in found]


def checked(request):
    """Service and operation of a request, and what is wrong with it."""
    service = service_of(request)
    model = LOADER.get_service_model(service)
    if request["type"] == FORM:
        operation, params = by_form(model, request)
        return service, operation, problems(service, operation, params)
    if request["target"]:
        operation, more = model.operation_model(request["target"].split(".")[1]), {}
    elif "/operation/" in request["path"]:
        operation, more = model.operation_model(request["path"].rsplit("/", 1)[1]), {}
    else:
        operation, more = by_path(model, request)
    body = body_of(request)
    payload = operation.input_shape.serialization.get("payload") if operation.input_shape else None
    params = {**more, payload: base64.b64decode(request["body"])} if payload else {**more, **body}
    return service, operation, problems(service, operation, params)


def test_every_recorded_request_is_one_that_aws_knows():
    found, seen = [], set()
    for request in requests():
        if service_of(request) in XML:
            continue
        service, operation, wrong = checked(request)
        seen.add(f"{service}:{operation.name}")
        found += wrong
    assert not found, "\n".join(found)
    for needed in (
        "codedeploy:CreateDeployment",
        "codedeploy:StopDeployment",
        "dynamodb:TransactWriteItems",
        "ecs:UpdateService",
        "elbv2:DescribeRules",
        "lambda:UpdateAlias",
        "sns:Publish",
    ):
        assert needed in seen, f"{needed} is not among {sorted(seen)}"


def absent(shape, value, path="", above=()):
    """Fields that a structure has and a value does not."""
    if shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            if name in (value or {}):
                yield from absent(member, value[name], f"{path}.{name}", (*above, shape.name))
            else:
                yield f"{path}.{name}"
    elif shape.type_name == "list":
        yield from absent(shape.member, value[0] if value else None, f"{path}[]", above)


def test_a_task_definition_with_every_field_is_cloned_whole():
    """The adapters' test compares the clone with what it was made from; that has every field that AWS knows."""
    sent = [body_of(r) for r in requests() if r["target"].endswith(".RegisterTaskDefinition")]
    shape = LOADER.get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    missing = min((list(absent(shape, body)) for body in sent), key=len)
    assert not missing, f"crates/aws/tests/adapters/task_definition.json lacks {missing}"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"deploymentId": "d-1", "autoRollback": True}, "autoRollback is unknown"),
        ({"autoRollbackEnabled": True}, "Missing required parameter"),
        ({"deploymentId": 1}, "Invalid type"),
    ],
)
def test_a_request_that_aws_does_not_know_is_found(params, why):
    operation = LOADER.get_service_model("codedeploy").operation_model("StopDeployment")
    found = problems("codedeploy", operation, params)
    assert found and why in found[0], found


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("ListenerArns.member.1=a", "ListenerArns is unknown"),
        ("PageSize=0", "PageSize"),
        ("RuleArns.member.1=a&RuleArns.member.2=b", None),
    ],
)
def test_a_form_is_held_against_the_model_too(form, why):
    body = base64.b64encode(f"Action=DescribeRules&Version=2015-12-01&{form}".encode()).decode()
    host = "elasticloadbalancing.eu-west-1.amazonaws.com"
    _, operation, found = checked({"host": host, "method": "POST", "path": "/", "target": "", "type": FORM, "body": body})
    assert operation.name == "DescribeRules"
    assert (found and why in found[0]) if why else not found, found
