"""What the tests of CodeDeploy share: a function with versions, a role, a group, hooks, and a look at what moves."""
import itertools
import json
import re

import pytest
from conftest import FIXTURES, ROLE, ready, until, zipped

CLOCK = 0.01                # PERCH_CLOCK of the server of the tests: 5 minutes are 3 s
FINAL = ("Succeeded", "Failed", "Stopped")
STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
ALL_EVENTS = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
# A canary waits 6 s or 18 s: for tests that do something before the last shift, however busy the machine is.
UNHURRIED, HELD = "CodeDeployDefault.LambdaCanary10Percent10Minutes", "CodeDeployDefault.LambdaCanary10Percent30Minutes"
_numbers = itertools.count(1)


def time_line(server, deployment):
    """[(weight, seconds when it was due, when it was there, by which the server's threads woke late)] of the server's log."""
    row = rf"deployment {deployment}: (\d+) % of traffic, due after ([\d.]+) s, moved after ([\d.]+) s, threads woke ([\d.]+) s late"
    return [(int(weight), *map(float, times)) for weight, *times in re.findall(row, server.log.read_text())]


def follows(server, deployment, table, within):
    """Hold a deployment against [(minute, weight)]: no shift comes early, and none later than the machine was, and `within`."""
    rows = time_line(server, deployment)
    assert [weight for weight, *_ in rows] == [weight for _, weight in table], rows
    for (_, due, moved, late), (minute, _) in zip(rows, table, strict=True):
        assert due == pytest.approx(60 * minute * CLOCK) and due <= moved < due + within + late, rows


def in_order(seen, all_of_them):
    """Whether those that were seen are some of all, in their order."""
    left = iter(all_of_them)
    return all(one in left for one in seen)


def service_role(client, name="codedeploy", policy="service-role/AWSCodeDeployRoleForLambda"):
    """A role that CodeDeploy may assume, with one of AWS's policies and the right to invoke every hook."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"Service": "codedeploy.amazonaws.com"}}]}
    iam = client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if policy:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return arn


class Lab:
    """A function `name` with versions 1 and 2, its alias `live` on 1, and a deployment group for it."""

    def __init__(self, client, function, role, config="CodeDeployDefault.LambdaCanary10Percent5Minutes", events=ALL_EVENTS, alarms=()):
        self.client, self.cd, self.lam = client, client("codedeploy"), client("lambda")
        self.name = f"cd-{next(_numbers)}"
        function(self.name, {"BUILD": "1"}, Publish=True)
        self.publish("2")
        self.lam.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1")
        self.key = {"applicationName": self.name, "deploymentGroupName": "g"}
        self.cd.create_application(applicationName=self.name, computePlatform="Lambda")
        self.cd.create_deployment_group(
            **self.key, serviceRoleArn=role, deploymentConfigName=config, deploymentStyle=STYLE,
            autoRollbackConfiguration={"enabled": bool(events), "events": list(events)},
            alarmConfiguration={"enabled": bool(alarms), "alarms": [{"name": name} for name in alarms]})

    def publish(self, build):
        """One more version."""
        self.lam.update_function_configuration(FunctionName=self.name, Environment={"Variables": {"BUILD": build}})
        ready(self.lam, self.name)
        return self.lam.publish_version(FunctionName=self.name)["Version"]

    def revision(self, current="1", target="2", hooks=(), **more):
        """AppSpec content."""
        properties = {"Name": self.name, "Alias": "live", "CurrentVersion": current, "TargetVersion": target, **more}
        content = json.dumps({"version": 0.0, "Resources": [{self.name: {"Type": "AWS::Lambda::Function", "Properties": properties}}],
                              "Hooks": [{event: name} for event, name in dict(hooks).items()]})
        return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}

    def deploy(self, current="1", target="2", hooks=(), **more):
        """Start a deployment; its id."""
        return self.cd.create_deployment(**self.key, revision=self.revision(current, target, hooks), **more)["deploymentId"]

    def info(self, deployment):
        """GetDeployment."""
        return self.cd.get_deployment(deploymentId=deployment)["deploymentInfo"]

    def target(self, deployment):
        """GetDeploymentTarget."""
        [target] = self.cd.list_deployment_targets(deploymentId=deployment)["targetIds"]
        return self.cd.get_deployment_target(deploymentId=deployment, targetId=target)["deploymentTarget"]["lambdaTarget"]

    def over(self, deployment, seconds=60):
        """The deployment, once it is over."""
        return until(lambda: (info := self.info(deployment))["status"] in FINAL and info, seconds, 0.02)

    def undone(self, deployment):
        """(the deployment, its rollback), once both are over."""
        info = self.over(deployment)
        return info, self.over(info["rollbackInfo"]["rollbackDeploymentId"])

    def events(self, deployment):
        """{lifecycle event: status}."""
        return {event["lifecycleEventName"]: event["status"] for event in self.target(deployment)["lifecycleEvents"]}

    def alias(self):
        """(main version, {other: weight})."""
        got = self.lam.get_alias(FunctionName=self.name, Name="live")
        return got["FunctionVersion"], (got.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def weight(self, version="2"):
        """The share of a version in percent."""
        main, others = self.alias()
        return 100 - round(100 * sum(others.values())) if main == version else round(100 * others.get(version, 0))

    def reaches(self, weight, version="2", seconds=30):
        """Wait until a version has this weight or more."""
        assert until(lambda: self.weight(version) >= weight, seconds, 0.01), self.alias()

    def watch(self, deployment):
        """The weights that were seen until the deployment was over; on a busy machine not all that there were."""
        seen = []
        while True:
            over, weight = self.info(deployment)["status"] in FINAL, self.weight()
            if weight != (seen[-1] if seen else 0):
                seen.append(weight)
            if over:
                return seen


def hook(client, name, answer):
    """A lifecycle hook function that puts this status, or `crash`, or `none`."""
    client("lambda").create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE, Timeout=10,
                                     Environment={"Variables": {"ANSWER": answer}},
                                     Code={"ZipFile": zipped(FIXTURES / "hook" / "bootstrap")})
    ready(client("lambda"), name)
    return name
