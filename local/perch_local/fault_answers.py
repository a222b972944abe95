"""Errors of AWS services in the form that each protocol has, as SDKs expect them.

AWS: Smithy specifications "AWS JSON 1.0/1.1", "AWS query", "AWS restJson1" and "Smithy RPC v2 CBOR" (operation error
serialization); API References, "Common errors": DynamoDB and Step Functions throttle with ThrottlingException (400),
Lambda with TooManyRequestsException (429), SNS and CloudWatch with Throttling (400 in the query protocol).
"""
import json
import re
import urllib.parse
import uuid

import cbor2

_ALIAS = re.compile(r"/functions/[^/]+/aliases/[^/]+$")
_REST = (("GET", _ALIAS, "GetAlias"), ("PUT", _ALIAS, "UpdateAlias"), ("GET", re.compile(r"/functions/[^/]+$"), "GetFunction"),
         ("PUT", re.compile(r"/functions/[^/]+/code$"), "UpdateFunctionCode"),
         ("POST", re.compile(r"/functions/[^/]+/versions$"), "PublishVersion"),
         ("POST", re.compile(r"/functions/[^/]+/invocations$"), "Invoke"))
# By method and the first name of the query, "" for any other.
_S3 = {("GET", "versioning"): "GetBucketVersioning", ("GET", "versions"): "ListObjectVersions", ("GET", "list-type"): "ListObjectsV2",
       ("GET", ""): "GetObject", ("HEAD", ""): "HeadObject", ("PUT", ""): "PutObject"}
_CBOR = re.compile(r"/service/(\w+)/operation/(\w+)$")
_SERVICES = {"DynamoDB_20120810": "DynamoDB", "AWSStepFunctions": "StepFunctions", "AmazonSSM": "SSM",
             "GraniteServiceVersion20100801": "CloudWatch", "AmazonEC2ContainerRegistry_V20150921": "ECR", "AmazonSQS": "SQS",
             "CodeDeploy_20141006": "CodeDeploy"}


def call_of(method, path, headers, body):
    """(protocol, service, operation) of a request; header names are in lower case."""
    place = urllib.parse.urlsplit(path).path
    if target := headers.get("x-amz-target"):
        service, _, operation = target.partition(".")
        version = headers.get("content-type", "").rpartition("-")[2]
        return ("json-1.1" if version == "1.1" else "json-1.0"), _SERVICES.get(service, service), operation
    if found := _CBOR.search(place):
        return "cbor", _SERVICES.get(found.group(1), found.group(1)), found.group(2)
    for verb, pattern, operation in _REST:
        if method == verb and pattern.search(place):
            return "rest", "Lambda", operation
    if operation := s3_operation(method, path, headers.get("authorization", "")):
        return "rest", "S3", operation
    action = urllib.parse.parse_qs(body.decode(errors="replace")).get("Action") if method == "POST" else None
    if action:
        return "query", "SNS" if action[0] == "Publish" else "Query", action[0]
    return "rest", "REST", f"{method} {place}"


def s3_operation(method, path, authorization):
    """The operation of a request that is signed for S3; None for any other."""
    if "/s3/aws4_request" not in authorization:
        return None
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)
    return next((_S3[method, name] for name in (*asked, "") if (method, name) in _S3), method)


def throttled(protocol, service):
    """(status, headers, body) of a call that came too often."""
    if protocol in ("json-1.0", "json-1.1"):
        return _json(protocol, 400, "ThrottlingException", "Rate exceeded")
    if protocol == "query":
        return _query(400, "Sender", "Throttling", "Rate exceeded")
    if protocol == "cbor":
        return _cbor(400, "ThrottlingException", "Throttling;Sender", "Rate exceeded")
    more = {"Reason": "CallerRateLimitExceeded", "Type": "User"} if service == "Lambda" else {}
    return _rest(429, "TooManyRequestsException", {**more, "message": "Rate exceeded"})


def broken(protocol, service):
    """(status, headers, body) of a call that the service could not carry out."""
    if protocol in ("json-1.0", "json-1.1"):
        return _json(protocol, 500, "InternalServerError", "The request processing has failed")
    if protocol == "query":
        return _query(500, "Receiver", "InternalFailure", "The request processing has failed")
    if protocol == "cbor":
        return _cbor(500, "InternalServiceFault", "InternalFailure;Receiver", "The request processing has failed")
    return _rest(500, "ServiceException", {"Type": "Service", "message": "The service encountered an internal error"})


def _json(protocol, status, name, message):
    body = json.dumps({"__type": f"com.amazon.coral.service#{name}", "message": message}).encode()
    return status, {"content-type": f"application/x-amz-{protocol}"}, body


def _query(status, fault, code, message):
    body = (f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>")
    return status, {"content-type": "text/xml"}, body.encode()


def _rest(status, name, body):
    return status, {"content-type": "application/json", "x-amzn-errortype": name}, json.dumps(body).encode()


def _cbor(status, name, query_error, message):
    headers = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "x-amzn-query-error": query_error}
    return status, headers, cbor2.dumps({"__type": f"com.amazonaws.cloudwatch#{name}", "message": message})
