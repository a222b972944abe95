"""HTTP APIs (API Gateway v2): the metrics AWS/ApiGateway, and whether an API may invoke its function.

AWS: API Gateway Developer Guide, "Monitor CloudWatch metrics for HTTP APIs" (http-api-metrics): Count, 4xx, 5xx, Latency,
IntegrationLatency and DataProcessed with the dimensions ApiId, and ApiId + Stage. "Troubleshooting issues with HTTP API Lambda
integrations" (http-api-troubleshooting-lambda): without a statement for apigateway.amazonaws.com in the function's policy,
callers get 500 and "Internal Server Error". A statement on an alias is in the policy of that alias alone.
PERCH_LAMBDA_RESOLUTION is the resolution of these metrics too; AWS has 60 s.
"""
import contextvars
import json
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway as API, lambda_svc as L
from perch_local import metrics, permissions
from perch_local.scope import acting_as, log

NAMESPACE, SERVICE = "AWS/ApiGateway", "apigateway.amazonaws.com"
REFUSED = 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
# Milliseconds that the integrations of the request under way took.
_spent = contextvars.ContextVar("perch_integration", default=None)


def points(status, ms, integration_ms, sent):
    """[(metric, unit, value)] of one request; a 4xx or 5xx of 0 counts, so that an average is a rate."""
    found = [("Count", "Count", 1.0), ("4xx", "Count", float(400 <= status < 500)), ("5xx", "Count", float(status >= 500)),
             ("Latency", "Milliseconds", ms), ("DataProcessed", "Bytes", float(sent))]
    return found + ([("IntegrationLatency", "Milliseconds", integration_ms)] if integration_ms is not None else [])


def store(api_id, stage, values, at):
    """Keep the values of one request in the scope of the API's owner."""
    at = at // metrics.LAMBDA_RESOLUTION * metrics.LAMBDA_RESOLUTION
    for dims in ({"ApiId": api_id}, {"ApiId": api_id, "Stage": stage}):
        for name, unit, value in values:
            metrics.add(NAMESPACE, name, dims, at, unit, value)


def may_invoke(function_ref, api_id, stage, route_key):
    """Whether the function's own policy lets the API in; a route's source ARN has its method and path."""
    name, qualifier = L._resolve_name_and_qualifier(function_ref)
    func = L._functions.get(name)
    if not func:
        return True                                            # ministack says what is missing
    method, _, path = route_key.partition(" ")
    place = f"{'*' if method == 'ANY' else method}{path}" if path else route_key          # $default
    source = f"arn:aws:execute-api:{get_region()}:{get_account_id()}:{api_id}/{stage}/{place}"
    arn = L._func_arn(name) + (f":{qualifier}" if qualifier else "")
    return permissions.allowed(func.get("policy"), SERVICE, "lambda:InvokeFunction", arn, source)


def install():
    """Ask before a function is invoked, and count each request."""
    execute, invoke = API.handle_execute, API._invoke_lambda_proxy

    async def invoke_if_allowed(integration, api_id, stage, path, method, headers, body, query, route_key="$default", *more, **named):
        ref = API._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
        if not may_invoke(ref, api_id, stage, route_key):
            return REFUSED
        begun = time.perf_counter()
        try:
            return await invoke(integration, api_id, stage, path, method, headers, body, query, route_key, *more, **named)
        finally:
            if (spent := _spent.get()) is not None:
                spent.append((time.perf_counter() - begun) * 1000)

    async def execute_and_count(api_id, stage, path, method, headers, body, query_params, raw_query_string=None):
        at, begun, spent = time.time(), time.perf_counter(), []
        token = _spent.set(spent)
        try:
            answer = await execute(api_id, stage, path, method, headers, body, query_params, raw_query_string)
        finally:
            _spent.reset(token)
        try:
            if scope := API.find_api_scope(api_id):
                with acting_as(*scope):
                    took = (time.perf_counter() - begun) * 1000
                    store(api_id, stage, points(answer[0], took, spent[0] if spent else None, len(answer[2]) + len(body or b"")), at)
        except Exception:
            log.exception("a request of an HTTP API was not counted")
        return answer

    API.handle_execute, API._invoke_lambda_proxy = execute_and_count, invoke_if_allowed
