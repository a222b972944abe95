"""Load balancers: real requests through listeners, rules and weights; target health; metrics (Application Load Balancers guide)."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import FIXTURES, total, until
from perch_local.balancers.proxy import Proxy
from perch_local.servers import free_port


def get(url, path="/", headers=None, method="GET"):
    """(status, body) of one request."""
    request = urllib.request.Request(url + path, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failed:
        return failed.code, failed.read().decode()


def builds(url, count=200):
    """How often each build answered."""
    return collections.Counter(json.loads(get(url)[1])["build"] for _ in range(count))


@pytest.fixture
def program():
    """Starts the small service; returns (port, process)."""
    running = []

    def start(build, **env):
        port = free_port()
        process = subprocess.Popen([sys.executable, str(FIXTURES / "http_server.py")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, PORT=str(port), BUILD=build, **env))
        running.append(process)
        return port, process
    yield start
    for process in running:
        process.kill()
        process.wait(10)


@pytest.fixture
def group(client):
    """Creates a target group with quick checks; returns its ARN."""
    def make(**more):
        return client("elbv2").create_target_group(**{
            "Name": "g" + uuid.uuid4().hex[:12], "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-1", "TargetType": "ip",
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
            **more})["TargetGroups"][0]["TargetGroupArn"]
    return make


@pytest.fixture
def balancer(client):
    """Creates a load balancer; returns its description."""
    return lambda: client("elbv2").create_load_balancer(Name="b" + uuid.uuid4().hex[:12], Subnets=["subnet-1", "subnet-2"])["LoadBalancers"][0]


def listen(client, balancer, actions, port=None):
    """(listener ARN, url) of a new listener."""
    port = port or free_port()
    arn = client("elbv2").create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=port,
                                          DefaultActions=actions)["Listeners"][0]["ListenerArn"]
    return arn, f"http://{balancer['DNSName'].split(':')[0]}:{port}"


def forward(*pairs):
    """A forward action to (target group, weight) pairs."""
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": a, "Weight": w} for a, w in pairs]}}


def register(client, group, port):
    """Register a program and wait until it is healthy."""
    client("elbv2").register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
    assert until(lambda: states(client, group).get(port) == "healthy", every=0.05), states(client, group)


def states(client, group):
    """{port: state} of a target group."""
    found = client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return {t["Target"]["Port"]: t["TargetHealth"]["State"] for t in found}


@pytest.fixture
def blue_green(client, program, group, balancer):
    """A listener with two groups of one program each, 90 to 10: (url, listener, blue, green, load balancer)."""
    one, (blue, green) = balancer(), (group(), group())
    listener, url = listen(client, one, [forward((blue, 90), (green, 10))])
    for arn, build in ((blue, "blue"), (green, "green")):
        register(client, arn, program(build)[0])
    return url, listener, blue, green, one


def test_weights_split_requests_and_change_without_a_lost_request(client, blue_green):
    url, listener, blue, green, _ = blue_green
    found = builds(url, 500)
    assert 20 <= found["green"] <= 90, found
    stop, answers = threading.Event(), collections.Counter()

    def load():
        while not stop.is_set():
            answers[get(url)[0]] += 1
    clients = [threading.Thread(target=load) for _ in range(4)]
    [c.start() for c in clients]
    elb = client("elbv2")
    for weight in range(0, 101, 10):
        elb.modify_listener(ListenerArn=listener, DefaultActions=[forward((blue, 100 - weight), (green, weight))])
        elb.create_listener(LoadBalancerArn=elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["LoadBalancerArn"],
                            Protocol="HTTP", Port=free_port(), DefaultActions=[forward((blue, 1))])        # a reload
    stop.set()
    [c.join() for c in clients]
    assert set(answers) == {200} and answers[200] > 100, answers
    assert builds(url, 50) == {"green": 50}
    described = elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"][0]
    assert [g["Weight"] for g in described["ForwardConfig"]["TargetGroups"]] == [0, 100]


def test_a_rule_takes_its_conditions_and_priority(client, blue_green):
    url, listener, blue, green, _ = blue_green
    elb = client("elbv2")
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "it's tea"}}
    make = lambda priority, conditions, action: elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions,
                                                               Actions=[action])["Rules"][0]["RuleArn"]
    make(20, [{"Field": "path-pattern", "Values": ["/api/*", "/v?/x"]}], forward((green, 1)))
    make(10, [{"Field": "path-pattern", "Values": ["/api/tea*"]}], answer)
    make(30, [{"Field": "host-header", "Values": ["*.Example.com"]}], answer)
    make(40, [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Canary", "Values": ["yes"]}}], forward((green, 1)))
    elb.modify_listener(ListenerArn=listener, DefaultActions=[forward((blue, 1))])
    build = lambda *a, **k: json.loads(get(url, *a, **k)[1])["build"]
    assert get(url, "/api/tea/1") == (418, "it's tea")
    assert (build("/api/x"), build("/v1/x"), build("/API/x"), build("/v10/x")) == ("green", "green", "blue", "blue")
    assert get(url, headers={"Host": "a.example.com:80"})[0] == 418
    assert (build(headers={"x-canary": "YES"}), build()) == ("green", "blue")
    with pytest.raises(ClientError, match="PriorityInUse"):
        make(10, [{"Field": "path-pattern", "Values": ["/"]}], answer)
    with pytest.raises(ClientError, match="TargetGroupNotFound"):
        make(50, [{"Field": "path-pattern", "Values": ["/"]}], forward((green + "x", 1)))
    with pytest.raises(ClientError, match="ResourceInUse"):
        elb.delete_target_group(TargetGroupArn=green)


def test_a_target_goes_through_its_states(client, program, group, balancer):
    arn = group()
    port, process = program("1")
    elb = client("elbv2")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    assert states(client, arn) == {port: "unused"}
    _, url = listen(client, balancer(), [forward((arn, 1))])
    assert until(lambda: states(client, arn) == {port: "healthy"}, every=0.05)
    process.kill()
    process.wait(10)
    assert until(lambda: states(client, arn) == {port: "unhealthy"}, every=0.05)
    health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert health == {"State": "unhealthy", "Reason": "Target.FailedHealthChecks", "Description": "Health checks failed"}
    assert get(url)[0] == 502, "the only target, though it is not healthy"
    drain = lambda delay: elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": delay}])
    drain("3600")
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    assert states(client, arn) == {port: "draining"}
    drain("0")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    assert until(lambda: states(client, arn) == {}, every=0.05)


def test_a_wrong_status_is_unhealthy_with_its_code(client, program, group, balancer):
    arn = group(Matcher={"HttpCode": "200-204"})
    listen(client, balancer(), [forward((arn, 1))])
    port, _ = program("1", HEALTH="503")
    client("elbv2").register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    assert until(lambda: states(client, arn) == {port: "unhealthy"}, every=0.05)
    health = client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert (health["Reason"], health["Description"]) == ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")


def test_requests_become_metrics(client, blue_green):
    url, _, blue, green, one = blue_green
    answers = collections.Counter(get(url)[0] for _ in range(100)) + collections.Counter(get(url, "/fail")[0] for _ in range(20))
    assert answers == {200: 100, 500: 20}
    whole = {"LoadBalancer": one["LoadBalancerArn"].split("loadbalancer/")[1]}
    parts = [dict(whole, TargetGroup=arn.rsplit(":", 1)[1]) for arn in (blue, green)]
    metric = lambda name, dims, stat="Sum": total(client, name, dims, stat, "AWS/ApplicationELB")
    answered = lambda: sum(metric("TargetResponseTime", p, "SampleCount") for p in parts)      # the last that is written of a request
    assert until(lambda: answered() == 120), answered()
    assert metric("RequestCount", whole) == 120
    assert sum(metric("RequestCount", p) for p in parts) == 120
    assert (metric("HTTPCode_Target_2XX_Count", whole), metric("HTTPCode_Target_5XX_Count", whole)) == (100, 20)
    assert sum(metric("HTTPCode_Target_5XX_Count", p) for p in parts) == 20
    assert metric("RequestCountPerTarget", {"TargetGroup": parts[0]["TargetGroup"]}) == metric("RequestCount", parts[0])
    assert metric("TargetResponseTime", whole, "SampleCount") == 120 and 0 <= metric("TargetResponseTime", whole, "p50")[0] < 1
    assert metric("TargetResponseTime", whole, "p99")[0] >= metric("TargetResponseTime", whole, "p50")[0]
    assert until(lambda: max(metric("HealthyHostCount", parts[0], "Maximum"), default=0) == 1)
    assert metric("HTTPCode_ELB_5XX_Count", whole) == 0
    assert get(url, "/busy")[0] == 503
    assert until(lambda: metric("HTTPCode_Target_5XX_Count", whole) == 21) and metric("HTTPCode_ELB_5XX_Count", whole) == 0


def test_a_proxy_that_died_comes_back(server, blue_green):
    url = blue_green[0]
    before = proxies(server)
    assert len(before) >= 1
    for pid in before:
        os.kill(pid, 9)
    assert until(lambda: proxies(server) - before, every=0.05)
    assert until(lambda: reachable(url), every=0.05) and builds(url, 20)


def test_a_map_is_set_in_the_process_that_stays_while_the_one_before_it_still_answers():
    ends, stays = Proxy(), Proxy()
    path = ends.folder / "m.map"
    path.write_text("0 b\n")
    for one in (ends, stays):
        one.load(f"global\n  stats socket {one.folder}/admin.sock mode 600 level admin\ndefaults\n  mode http\n  timeout connect 1s\n"
                 f"  timeout client 9s\n  timeout server 9s\nfrontend f\n  bind 127.0.0.1:{free_port()}\n"
                 f"  use_backend %[rand(1),map_int({path},b)]\nbackend b\n  http-request return status 503\n")
    before, ends.process = ends.process, stays.process
    setting = threading.Thread(target=ends.set_map, args=("m", [("1", "b")]))
    setting.start()
    assert until(lambda: "next_ver=1" in ends._ask("show map"), every=0.01), "it was told to the process that ends"
    os.replace(stays.folder / "admin.sock", ends.folder / "admin.sock")
    setting.join(60)
    assert ends.tell(f"show map {path}").split()[1:] == ["1", "b"]
    ends.process = before
    for one in (ends, stays):
        one.stop()


def proxies(server):
    """The HAProxy processes of the server under test."""
    found = set()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == server.pid and "haproxy" in (folder / "cmdline").read_text():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def reachable(url):
    """Whether it answers with 200."""
    try:
        return get(url)[0] == 200
    except OSError:
        return False


def test_an_empty_group_is_the_balancers_own_503(client, group, balancer):
    one = balancer()
    _, url = listen(client, one, [forward((group(), 1))])
    assert get(url)[0] == 503
    whole = {"LoadBalancer": one["LoadBalancerArn"].split("loadbalancer/")[1]}
    assert until(lambda: total(client, "HTTPCode_ELB_5XX_Count", whole, "Sum", "AWS/ApplicationELB") == 1)
    assert total(client, "RequestCount", whole, "Sum", "AWS/ApplicationELB") == 0
