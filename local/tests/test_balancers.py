"""The pure parts of the load balancers: shares of a rule, conditions, health, and what a request counts as."""
import random

import pytest
from perch_local.balancers import health, routes, traffic


def test_shares_are_as_wide_as_the_weights():
    for seed in range(500):
        draw = random.Random(seed)
        split = {f"arn:{i}": draw.randint(0, 999) for i in range(draw.randint(1, 5))}
        lines, total = routes.shares(split), sum(split.values())
        covered = [int(n) for key, _ in lines for n in key.split(":")]
        assert covered[0] == 0 and covered[-1] == routes.SPREAD - 1 and covered == sorted(covered)
        assert all(b == a + 1 for a, b in zip(covered[1:-1:2], covered[2::2])), "no gap and no overlap"
        if not total:
            assert lines == [(f"0:{routes.SPREAD - 1}", routes.NOWHERE)]
            continue
        wide = {name: int(key.split(":")[1]) - int(key.split(":")[0]) + 1 for key, name in lines}
        for arn, weight in split.items():
            assert abs(wide.get(routes.group_name(arn), 0) - routes.SPREAD * weight / total) <= 1, (seed, split)


def test_a_weight_of_a_tenth_of_a_percent_is_a_hundred_numbers():
    assert routes.shares({"blue": 999, "green": 1}) == [("0:99899", routes.group_name("blue")), ("99900:99999", routes.group_name("green"))]


@pytest.mark.parametrize("text, matching, others", [
    ("/api/*", ["/api/", "/api/x/y"], ["/api", "/apix"]), ("/v?/x", ["/v1/x"], ["/v10/x", "/v/x"]), ("/a.b", ["/a.b"], ["/axb"]),
    ("/(x)", ["/(x)"], ["/x"])])
def test_patterns(text, matching, others):
    import re
    assert all(re.search(routes.pattern(text), path) for path in matching)
    assert not any(re.search(routes.pattern(text), path) for path in others)


@pytest.mark.parametrize("matcher, good, bad", [("200", [200], [201, 500]), ("200,202", [200, 202], [201]), ("200-299", [200, 299], [300, 199]),
                                                ("200-204, 301", [203, 301], [205])])
def test_success_codes(matcher, good, bad):
    assert all(health.matches(matcher, c) for c in good) and not any(health.matches(matcher, c) for c in bad)


def test_one_pass_makes_a_new_target_healthy_and_thresholds_count_after():
    target = health.Target("t", healthy_after=3, unhealthy_after=2)
    assert target.description() == ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
    target.passed()
    assert target.state == "healthy"
    target.failed("Target.Timeout")
    assert target.state == "healthy"
    target.passed()
    target.failed("Target.Timeout")
    target.failed("Target.ResponseCodeMismatch", 503)
    assert target.description() == ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
    target.passed()
    target.passed()
    assert target.state == "unhealthy"
    target.passed()
    assert target.state == "healthy" and target.description(in_use=False)[0] == "unused"
    target.drain(1.0)
    target.failed("Target.Timeout")
    target.failed("Target.Timeout")
    assert target.state == "draining"


def test_requests_go_to_healthy_targets_or_to_all_that_were_found_unhealthy():
    made = {}
    for state in ("initial", "healthy", "unhealthy", "draining"):
        made[state] = health.Target(state)
        made[state].state = state
    assert health.serving(made.values()) == [made["healthy"]]
    assert health.serving([made["initial"], made["unhealthy"], made["draining"]]) == [made["unhealthy"]]
    assert health.serving([made["initial"], made["draining"]]) == []


def counted(line, group="targetgroup/g/1", healthy=2):
    found = traffic.points(traffic.parse(line), "app/b/1", group, healthy)
    return {(metric, "+".join(sorted(dims))): value for metric, _, value, sets in found for dims in sets}


def test_an_answer_of_a_target_is_counted_for_the_balancer_and_the_group():
    assert counted("l_1 tg_1 s1 200 12 --") == {
        ("RequestCount", "LoadBalancer"): 1.0, ("RequestCount", "LoadBalancer+TargetGroup"): 1.0,
        ("RequestCountPerTarget", "TargetGroup"): 0.5, ("RequestCountPerTarget", "LoadBalancer+TargetGroup"): 0.5,
        ("HTTPCode_Target_2XX_Count", "LoadBalancer"): 1.0, ("HTTPCode_Target_2XX_Count", "LoadBalancer+TargetGroup"): 1.0,
        ("TargetResponseTime", "LoadBalancer"): 0.012, ("TargetResponseTime", "LoadBalancer+TargetGroup"): 0.012}


def test_an_error_of_the_balancer_is_not_the_targets():
    assert counted("l_1 nowhere <NOSRV> 503 -1 SC", group=None) == {("HTTPCode_ELB_5XX_Count", "LoadBalancer"): 1.0,
                                                                   ("HTTPCode_ELB_503_Count", "LoadBalancer"): 1.0}
    refused = counted("l_1 tg_1 s1 502 -1 SC")
    assert refused[("TargetConnectionErrorCount", "LoadBalancer+TargetGroup")] == 1.0 and refused[("RequestCount", "LoadBalancer")] == 1.0
    assert not any(metric.startswith("HTTPCode_Target") for metric, _ in refused)
    assert traffic.parse("[NOTICE] something else that haproxy says") is None
