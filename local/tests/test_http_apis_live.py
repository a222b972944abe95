"""HTTP APIs in front of a weighted alias: permission of the alias, weights, metrics; AWS's pages are in http_apis.py."""
import http.client
import json
import urllib.parse

import pytest
from conftest import calls, total, two_versions, until

from perch_local.http_apis import points

NAMESPACE = "AWS/ApiGateway"


class Api:
    """An API with the routes POST /predict and $default, whose integration is the alias `live`."""

    def __init__(self, client, server, name, function_arn):
        api = client("apigatewayv2")
        made = api.create_api(Name=name, ProtocolType="HTTP")
        self.id, self.client, self.function = made["ApiId"], client, name
        self.host = urllib.parse.urlsplit(made["ApiEndpoint"]).netloc
        self.server = urllib.parse.urlsplit(server.url).netloc
        integration = api.create_integration(ApiId=self.id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn + ":live",
                                             PayloadFormatVersion="2.0")["IntegrationId"]
        for key in ("POST /predict", "$default"):
            api.create_route(ApiId=self.id, RouteKey=key, Target=f"integrations/{integration}")
        api.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)

    def allow(self, source, qualifier="live"):
        on = {"Qualifier": qualifier} if qualifier else {}
        self.client("lambda").add_permission(FunctionName=self.function, StatementId=f"s-{qualifier}-{len(source)}", Action="lambda:InvokeFunction",
                                             Principal="apigateway.amazonaws.com", SourceArn=self.arn(source), **on)

    def arn(self, source):
        return f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/{source}"

    def ask(self, method="POST", path="/predict", body='{"n": 1}'):
        connection = http.client.HTTPConnection(self.server, timeout=10)
        connection.request(method, path, body, {"host": self.host, "content-type": "application/json"})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def count(self, metric, stat="Sum", **more):
        return total(self.client, metric, {"ApiId": self.id, **more}, stat, NAMESPACE)


@pytest.fixture(scope="module")
def api(client, server, function):
    return Api(client, server, "http-api", two_versions(client, function, "http-api", 1.0))


def test_only_a_statement_of_the_alias_for_this_route_lets_an_api_in(api, client):
    assert api.ask() == (500, b'{"message":"Internal Server Error"}')
    assert (api.count("5xx"), api.count("IntegrationLatency", "SampleCount")) == (1, 0)
    api.allow("*/*", qualifier=None)                # the function's own policy does not count for the alias
    api.allow("*/GET/predict")
    assert api.ask()[0] == 500 and not calls(client, "http-api")
    api.allow("*/POST/predict")
    status, body = api.ask()
    assert status == 200, body
    assert api.ask("GET", "/other", None)[0] == 500
    api.allow("$default/$default")
    assert api.ask("GET", "/other", None)[0] == 200


def test_requests_go_to_the_versions_of_the_alias(api, client):
    before = total(client, "Invocations", {"FunctionName": "http-api", "Resource": "http-api:live", "ExecutedVersion": "2"})
    for _ in range(5):
        assert api.ask()[0] == 200
    dims = {"FunctionName": "http-api", "Resource": "http-api:live", "ExecutedVersion": "2"}
    assert until(lambda: total(client, "Invocations", dims) == before + 5)
    assert [json.loads(call["body"]) for call in calls(client, "http-api") if "body" in call][-1] == {"n": 1}


def test_each_request_is_counted_for_the_api_and_its_stage(api):
    names = ("Count", "4xx", "5xx")
    before = {name: api.count(name) for name in names}
    assert api.ask()[0] == 200 and api.ask(path="/nobody", method="PUT")[0] == 200
    assert {name: api.count(name) - before[name] for name in names} == {"Count": 2, "4xx": 0, "5xx": 0}
    assert api.count("Count", Stage="$default") == api.count("Count")
    assert api.count("Latency", "SampleCount") == api.count("Count")
    assert api.count("IntegrationLatency", "SampleCount") == api.count("Count") - api.count("5xx")
    slowest = max(api.count("Latency", "Maximum"))
    assert 0 < max(api.count("IntegrationLatency", "Maximum")) <= slowest < 10_000


def test_status_decides_which_error_is_counted():
    for status, expected in ((200, (0, 0)), (404, (1, 0)), (429, (1, 0)), (500, (0, 1)), (503, (0, 1))):
        found = {name: value for name, _, value in points(status, 5.0, 3.0, 10)}
        assert (found["4xx"], found["5xx"], found["Count"]) == (*expected, 1)
    assert "IntegrationLatency" not in {name for name, _, _ in points(404, 5.0, None, 10)}
