"""Prints the figures on ECS and load balancers of docs/local.md: python local/tests/measure_ecs.py. Not a test; takes half a minute."""
import concurrent.futures
import http.client
import os
import pathlib
import statistics
import time
import uuid

import boto3
from conftest import port, total, until
from ecs_stack import System, push
from measure import memory, timed
from perch_local import lifecycle
from perch_local.checkout import Stack
from test_balancers_live import forward


def cpu(pid):
    """Seconds of processor time that a process has had."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def through(url, count):
    """Milliseconds of requests over one connection."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def ask():
        connection.request("GET", "/")
        connection.getresponse().read()
    return timed(ask, count)


def measure(stack, pid):
    """One service of two tasks, and one line per figure."""
    made = {}
    client = lambda name: made.setdefault(name, boto3.client(name, endpoint_url=stack.url, region_name="us-east-1",
                                                             aws_access_key_id="test", aws_secret_access_key="test"))
    elb = client("elbv2")
    group = lambda: elb.create_target_group(Name="g" + uuid.uuid4().hex[:12], Protocol="HTTP", Port=80, VpcId="v", TargetType="ip",
                                            HealthCheckPath="/health", HealthCheckIntervalSeconds=5)["TargetGroups"][0]["TargetGroupArn"]
    balancer = lambda: elb.create_load_balancer(Name="b" + uuid.uuid4().hex[:12], Subnets=["a", "b"])["LoadBalancers"][0]
    system = System(client, group, balancer, push(client, "small")[0])
    began = time.perf_counter()
    system.create("1", {"strategy": "CANARY", "bakeTimeInMinutes": 1,
                        "canaryConfiguration": {"canaryPercent": 10, "canaryBakeTimeInMinutes": 1}})
    system.ended()
    print(f"first deployment of 2 tasks, two waits of a minute among it: {time.perf_counter() - began:.1f} s")
    began, before = time.perf_counter(), cpu(pid)
    time.sleep(10)
    print(f"idle with 2 tasks: {100 * (cpu(pid) - before) / (time.perf_counter() - began):.1f} % of a core, {memory(pid):.0f} MiB")
    task = system.tasks()[0]
    address = next(d["value"] for d in task["attachments"][0]["details"] if d["name"] == "privateIPv4Address")
    for name, url in (("load balancer", system.url), ("task at its own address", f"http://{address}:8080")):
        took = through(url, 1000)
        print(f"request to the {name}, 1000 in sequence: p50 {took[499]:.2f} ms, p99 {took[989]:.2f} ms")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: through(system.url, 500), range(8)))
        print(f"4000 requests by 8 clients: {4000 / (time.perf_counter() - began):.0f} a second")
    whole = {"LoadBalancer": system.balancer["LoadBalancerArn"].split("loadbalancer/")[1]}
    counted = lambda: total(client, "RequestCount", whole, "Sum", "AWS/ApplicationELB")
    began = time.perf_counter()
    until(lambda: counted() >= 5000, 10, 0.1)
    print(f"counted in RequestCount: {counted():.0f} of 5000, {time.perf_counter() - began:.1f} s after the last")
    move = lambda n=[0]: (n.append(n.pop() + 1), elb.modify_rule(RuleArn=system.rule, Actions=[
        forward((system.blue, n[0] % 100), (system.green, 100 - n[0] % 100))]))
    took = timed(move, 100)
    print(f"ModifyRule with new weights: p50 {took[49]:.1f} ms, p99 {took[98]:.1f} ms")
    reload = lambda: elb.create_rule(ListenerArn=elb.describe_rules(RuleArns=[system.rule])["Rules"][0]["RuleArn"].replace(
        "listener-rule", "listener").rsplit("/", 1)[0], Priority=int(uuid.uuid4().int % 40000) + 2,
        Conditions=[{"Field": "path-pattern", "Values": ["/x"]}], Actions=[forward((system.blue, 1))])
    print(f"CreateRule, which reloads the proxy: median {statistics.median(timed(reload, 20)):.0f} ms")
    began = time.perf_counter()
    system.update(desiredCount=4)
    until(lambda: system.describe()["runningCount"] == 4, 20, 0.01)
    print(f"two tasks more, until RUNNING: {(time.perf_counter() - began) * 1000:.0f} ms")
    system.delete()


if __name__ == "__main__":
    os.environ["PERCH_CLOCK"] = "0.01"
    stack = Stack(port())
    try:
        measure(stack, lifecycle.start(stack)[0])
    finally:
        lifecycle.stop(stack)
