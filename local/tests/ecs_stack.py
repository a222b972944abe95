"""A small ECS system for tests: an image, a load balancer with two target groups, services of every kind."""
import json
import re
import shutil
import tempfile
import uuid
from pathlib import Path

from conftest import FIXTURES, until
from perch_local import push_image
from perch_local.servers import free_port
from test_balancers_live import forward, listen

ROLE = "arn:aws:iam::000000000000:role/ecs-blue-green"
DONE = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


def push(client, repository, note=""):
    """(image by tag, digest) of the small service; another note gives another digest."""
    ecr = client("ecr")
    try:
        ecr.create_repository(repositoryName=repository)
    except ecr.exceptions.RepositoryAlreadyExistsException:
        pass
    tag = "v" + uuid.uuid4().hex[:8]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(FIXTURES / "http_server.py", folder)
        (Path(folder) / "note").write_text(note)
        digest = push_image.push(folder, repository, tag, ["/http_server.py"], env={"SAID_BY_IMAGE": "yes"}, client=ecr)
    return f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{repository}:{tag}", digest


def role(client):
    """The role with which ECS moves traffic and calls hooks."""
    iam = client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                     "Principal": {"Service": "ecs.amazonaws.com"}}]}
    try:
        iam.create_role(RoleName="ecs-blue-green", AssumeRolePolicyDocument=json.dumps(trust))
    except iam.exceptions.EntityAlreadyExistsException:
        return ROLE
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["elasticloadbalancing:*", "lambda:InvokeFunction"], "Resource": "*"}]}
    iam.put_role_policy(RoleName="ecs-blue-green", PolicyName="p", PolicyDocument=json.dumps(policy))
    return ROLE


class System:
    """One service with its load balancer; `url` is production, `test_url` the test listener."""

    def __init__(self, client, group, balancer, image):
        self.client, self.ecs, self.image = client, client("ecs"), image
        self.name = "s" + uuid.uuid4().hex[:10]
        self.cluster = "c" + uuid.uuid4().hex[:10]
        self.ecs.create_cluster(clusterName=self.cluster)
        self.balancer, self.blue, self.green = balancer(), group(), group()
        for arn in (self.blue, self.green):
            client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}])
        empty = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        listener, self.url = listen(client, self.balancer, [empty], free_port())
        test_listener, self.test_url = listen(client, self.balancer, [empty], free_port())
        make = lambda arn: client("elbv2").create_rule(
            ListenerArn=arn, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[forward((self.blue, 100), (self.green, 0))])["Rules"][0]["RuleArn"]
        self.rule, self.test_rule = make(listener), make(test_listener)

    def task_definition(self, build, image=None, **env):
        """Register a revision that says this build."""
        variables = [{"name": k, "value": str(v)} for k, v in {"BUILD": build, **env}.items()]
        return self.ecs.register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[{"name": "app", "image": image or self.image, "essential": True, "environment": variables,
                                   "portMappings": [{"containerPort": 8080}], "stopTimeout": 2}])["taskDefinition"]["taskDefinitionArn"]

    def load_balancers(self, advanced):
        """The service's load balancer, with what a shifting strategy needs."""
        one = {"targetGroupArn": self.blue, "containerName": "app", "containerPort": 8080}
        if advanced:
            one["advancedConfiguration"] = {"alternateTargetGroupArn": self.green, "productionListenerRule": self.rule,
                                            "testListenerRule": self.test_rule, "roleArn": role(self.client)}
        return [one]

    def create(self, build="1", config=None, count=2, controller="ECS", env=None, **more):
        """Create the service."""
        advanced = (config or {}).get("strategy", "ROLLING") != "ROLLING"
        request = {"cluster": self.cluster, "serviceName": self.name, "taskDefinition": self.task_definition(build, **(env or {})),
                   "desiredCount": count, "launchType": "FARGATE", "loadBalancers": self.load_balancers(advanced),
                   "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                   "deploymentController": {"type": controller}, **more}
        if config:
            request["deploymentConfiguration"] = config
        return self.ecs.create_service(**request)["service"]

    def update(self, **changes):
        """UpdateService."""
        return self.ecs.update_service(cluster=self.cluster, service=self.name, **changes)["service"]

    def describe(self):
        """The service."""
        return self.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"][0]

    def deployments(self, **more):
        """Its service deployments, newest first, described."""
        arns = [d["serviceDeploymentArn"] for d in self.ecs.list_service_deployments(
            cluster=self.cluster, service=self.name, **more)["serviceDeployments"]]
        found = self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"] if arns else []
        return sorted(found, key=lambda d: arns.index(d["serviceDeploymentArn"]))

    def latest(self):
        """The newest service deployment."""
        return self.deployments()[0]

    def ended(self, status="SUCCESSFUL", seconds=60):
        """Wait until the newest deployment is over, and hold it against a status."""
        until(lambda: self.latest()["status"] in DONE, seconds, 0.05)
        latest = self.latest()
        assert latest["status"] == status, (latest, [t.get("stoppedReason") for t in self.tasks("STOPPED")])
        return latest

    def tasks(self, status="RUNNING"):
        """Its tasks."""
        arns = self.ecs.list_tasks(cluster=self.cluster, serviceName=self.name, desiredStatus=status)["taskArns"]
        return self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []

    def delete(self):
        """Delete the service."""
        self.ecs.delete_service(cluster=self.cluster, service=self.name, force=True)
        assert until(lambda: self.describe()["status"] == "INACTIVE", every=0.05), self.describe()

    def moves(self, server):
        """Each (blue, green) that a deployment gave the production rule, by the server's log."""
        found = re.findall(rf"{re.escape(self.rule)}: weights (.*)", server.log.read_text())
        return [(split.get(self.blue, 0), split.get(self.green, 0)) for split in map(json.loads, found)]

    def stages(self, server):
        """The stages of the newest deployment, by the server's log; one that is entered and left at once is there, too."""
        found = re.findall(rf"{re.escape(self.latest()['serviceDeploymentArn'])}: stage (\w+)", server.log.read_text())
        return [stage for i, stage in enumerate(found) if i == 0 or found[i - 1] != stage]

    def weights(self, rule=None):
        """{blue: weight, green: weight} of the production rule."""
        action = self.client("elbv2").describe_rules(RuleArns=[rule or self.rule])["Rules"][0]["Actions"][0]
        found = {g["TargetGroupArn"]: g["Weight"] for g in action["ForwardConfig"]["TargetGroups"]}
        return found.get(self.blue, 0), found.get(self.green, 0)
