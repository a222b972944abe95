"""The cases of functions that work with ECS services: CodeDeploy moves the one, ECS itself the other.

The services are those of two examples, put on the stack by their own templates. Like an alias, a service serves at the end
what it served before.
"""
import contextlib
import sys
import threading

import boto3

from perch_local.checkout import ROOT, Stack
from perch_local.sam_world import RELEASE, ago, event, expect, stamp, until

HTTP_SERVICE = ROOT / "examples" / "http-service"
DESCRIPTION, STEP = f"perch release {RELEASE}", {"weight": 10, "bake": "5m"}
CONFIG = "CodeDeployDefault.ECSCanary10Percent5Minutes"
STEADY_WITHIN, ENDS_WITHIN = 60.0, 30.0
ONE = {"Tasks": 1, "AlarmPeriod": 60}
# {example: (cluster, service = task definition = repository, parameters of its template)}
SERVICES = {
    "engagement-ml": ("engagement", "engagement-api", {**ONE, "Port": 8080, "MinutesToGoBack": 0}),
    # Its first deployment has nothing to compare with: no time at 10 %.
    "sensor-backend": ("sensors", "sensor-backend", {**ONE, "Port": 8080, "CanaryMinutes": 0, "BakeMinutes": 0}),
}
_installing = threading.Lock()


def _programs():
    """Where an example's image is packed and its template deployed."""
    if str(HTTP_SERVICE) not in sys.path:
        sys.path.insert(0, str(HTTP_SERVICE))
    import deployed
    import push_service
    return deployed, push_service


def install(stack=None):
    """Have both services on the stack; whoever comes second waits for the first."""
    deployed, push_service = _programs()
    with _installing:
        for example, (cluster, name, parameters) in SERVICES.items():
            if not _service(cluster, name):
                image = push_service.push_variant(example, "healthy", name, tag="sam-local-first")
                deployed.deployed(stack or Stack(), ROOT / "examples" / example, image, **parameters)
                _check_often(cluster)


def _check_often(cluster):
    """A task that was not up yet at its first health check waits for the second: 5 s are the least."""
    balancing = boto3.client("elbv2")
    for group in balancing.describe_target_groups(Names=[f"{cluster}-blue", f"{cluster}-green"])["TargetGroups"]:
        balancing.modify_target_group(TargetGroupArn=group["TargetGroupArn"], HealthCheckIntervalSeconds=5)


def _service(cluster, name):
    """A service, or None."""
    ecs = boto3.client("ecs")
    with contextlib.suppress(ecs.exceptions.ClusterNotFoundException):
        found = ecs.describe_services(cluster=cluster, services=[name])["services"]
        return next((one for one in found if one["status"] == "ACTIVE"), None)
    return None


class Service:
    """One service, its load balancer and its deployments."""

    def __init__(self, example):
        install()
        self.example, (self.cluster, self.name, _) = example, SERVICES[example]
        self.ecs, self.balancing = boto3.client("ecs"), boto3.client("elbv2")
        [balancer] = self.balancing.describe_load_balancers(Names=[self.cluster])["LoadBalancers"]
        self.balancer = balancer["LoadBalancerArn"]
        until(lambda: self.weights() and list(self.weights().values()) == [100] and self.healthy(), STEADY_WITHIN, f"{self.name} is steady")

    def group(self, side):
        """The ARN of a target group."""
        return self.balancing.describe_target_groups(Names=[f"{self.cluster}-{side}"])["TargetGroups"][0]["TargetGroupArn"]

    def weights(self):
        """{side: percent} of the production listener, without those that get nothing."""
        listeners = self.balancing.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"]
        [listener] = [one for one in listeners if one["Port"] == 8080]
        rules = self.balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        [action] = [rule["Actions"][-1] for rule in rules if rule["Actions"][-1]["Type"] == "forward"]
        found = (action.get("ForwardConfig") or {}).get("TargetGroups") or [action]
        sides = {self.group(side): side for side in ("blue", "green")}
        weights = {sides[one["TargetGroupArn"]]: int(one.get("Weight", 1)) for one in found}
        return {side: round(100 * weight / sum(weights.values())) for side, weight in weights.items() if weight}

    def healthy(self):
        """Whether a target of the group with all traffic is healthy."""
        [side] = self.weights()
        found = self.balancing.describe_target_health(TargetGroupArn=self.group(side))["TargetHealthDescriptions"]
        return any(one["TargetHealth"]["State"] == "healthy" for one in found)

    def newest(self):
        """The newest revision of its task definition."""
        return self.ecs.describe_task_definition(taskDefinition=self.name)["taskDefinition"]

    def push(self):
        """Push a new healthy build; its image. No target takes it."""
        return _programs()[1].push_variant(self.example, "healthy", self.name)

    def plan(self, world, **driver):
        """The plan of a release whose weights somebody else moves."""
        moved = {"kind": "service", "cluster": self.cluster, "service": self.name, **driver}
        return {**world.plan(moved), "steps": [STEP], "guards": []}


def shown(weights):
    """Weights for people."""
    return " and ".join(f"{weight}% on {side}" for side, weight in sorted(weights.items()))


class FollowService:
    """CodeDeploy is asked once for the deployment of a new revision, which shifts the listener to the step's weight."""

    ahead = staticmethod(install)

    @staticmethod
    def prepare(world):
        """A release of an image that has just been pushed."""
        service = Service("engagement-ml")
        before, image = service.newest()["revision"], service.push()
        world.spec()
        group = {"application": "engagement", "deploymentGroup": "engagement-api", "whenBusy": "wait"}
        world.hold({
            "phase": {"name": "Pending"}, "seq": 1, "plan": service.plan(world, codeDeploy=group), "ledger": None, "canary": None,
            "artifact": {"kind": "image", "repository": service.name, "digest": image.digest, "tag": image.tag}})
        return service, before, image

    @staticmethod
    def check(world, prepared, answer):
        """The new revision and its image, the one deployment, the listener's weights, the phase."""
        service, before, image = prepared
        codedeploy = boto3.client("codedeploy")
        try:
            made = [one for one in deployments(codedeploy) if one.get("description") == DESCRIPTION]
            known = world.record().get("deployment") or {}
            mine = [one for one in made if one["deploymentId"] == known.get("id")]
            expect(mine, f"deployment {known} is none of {[one['deploymentId'] for one in made]}; answer {answer}")
            expect(mine[0]["deploymentConfigName"] == CONFIG, f"the configuration is {mine[0]['deploymentConfigName']}")
            newest = service.newest()
            expect(newest["revision"] > before and newest["containerDefinitions"][0]["image"].endswith(image.digest), f"revision {newest['revision']}")
            weights = service.weights()
            expect(sorted(weights.values()) == [10, 90], f"the listener has {shown(weights)}")
            expect(answer["next"] == "Judge" and world.record()["phase"]["name"] == "Baking", f"answer {answer}")
            return f"revision {newest['revision']} by digest; {known['id']} of {CONFIG}; listener {shown(weights)}"
        finally:
            # First: the end of its deployment would roll the release back, while the next case begins.
            world.forget()
            end_codedeploy(codedeploy)


def deployments(codedeploy, **more):
    """The deployments of the group."""
    ids = codedeploy.list_deployments(applicationName="engagement", deploymentGroupName="engagement-api", **more)["deployments"]
    return [codedeploy.get_deployment(deploymentId=one)["deploymentInfo"] for one in ids]


def end_codedeploy(codedeploy):
    """Stop what runs with rollback, and wait until nothing does."""
    unended = ["Created", "Queued", "InProgress", "Baking", "Ready"]
    for one in deployments(codedeploy, includeOnlyStatuses=unended):
        with contextlib.suppress(codedeploy.exceptions.DeploymentAlreadyCompletedException):
            codedeploy.stop_deployment(deploymentId=one["deploymentId"], autoRollbackEnabled=True)
    until(lambda: not deployments(codedeploy, includeOnlyStatuses=unended), ENDS_WITHIN, "no deployment runs")


class StopService:
    """A running deployment of ECS is stopped with rollback, and the release ends once the baseline was read back."""

    ahead = staticmethod(install)

    @staticmethod
    def prepare(world):
        """A release that goes back while ECS has a tenth of the traffic on its revision."""
        service = Service("sensor-backend")
        [baseline] = service.weights()
        canary, before, image = {"blue": "green", "green": "blue"}[baseline], service.newest(), service.push()
        revision = register(service, before, image.image_uri)
        # No hook: this deployment is the case's, and a release that goes back would have it fail.
        service.ecs.update_service(cluster=service.cluster, service=service.name, taskDefinition=f"{service.name}:{revision}", deploymentConfiguration={
            "strategy": "CANARY", "bakeTimeInMinutes": 5, "lifecycleHooks": [],
            "canaryConfiguration": {"canaryPercent": float(STEP["weight"]), "canaryBakeTimeInMinutes": 5}})
        until(lambda: service.weights().get(canary) == STEP["weight"], STEADY_WITHIN, "the deployment shifts")
        [running] = service.ecs.list_service_deployments(cluster=service.cluster, service=service.name, status=["IN_PROGRESS"])["serviceDeployments"]
        deployment = running["serviceDeploymentArn"]
        path = lambda arn: arn.partition("/")[2] if ":loadbalancer/" in arn else arn.rpartition(":")[2]
        container = before["containerDefinitions"][0]
        snapshot = {
            "kind": "service", "service": {"cluster": service.cluster, "service": service.name}, "family": service.name,
            "container": container["name"], "port": container["portMappings"][0]["containerPort"], "image": container["image"],
            "groups": {"balancer": path(service.balancer), "baseline": path(service.group(baseline)), "canary": path(service.group(canary))}}
        world.spec()
        world.hold({
            "phase": {"name": "RollingBack", "cause": event("restore-traffic")["cause"], "from": STEP["weight"]}, "seq": 7,
            "plan": service.plan(world), "canary": str(revision),
            "ledger": {"baseline": str(before["revision"]), "canary": str(revision), "snapshot": snapshot, "takenAt": stamp(ago(minutes=5))},
            "artifact": {"kind": "image", "repository": service.name, "digest": image.digest, "tag": image.tag},
            "deployment": {"askedAt": stamp(ago(minutes=1)), "id": deployment}})
        return service, deployment, baseline

    @staticmethod
    def check(world, prepared, answer):
        """The deployment, the weights of the rule, the end."""
        service, deployment, baseline = prepared
        try:
            weights = service.weights()
            expect(weights == {baseline: 100}, f"the rule has {shown(weights)}")
            expect(world.record()["phase"]["name"] == "RolledBack" and answer["next"] == "Close", f"answer {answer}")
            [found] = service.ecs.describe_service_deployments(serviceDeploymentArns=[deployment])["serviceDeployments"]
            expect(found["status"].startswith("ROLLBACK"), f"the deployment is {found['status']}")
            return f"deployment {deployment.rpartition('/')[2]} {found['status']}; rule {shown(weights)}; phase RolledBack"
        finally:
            # First: the end of its deployment would be told to the release of the next case.
            world.forget()
            until(lambda: not unended(service), ENDS_WITHIN, "no deployment runs")


def unended(service):
    """The deployments of a service that run."""
    states = ["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"]
    return service.ecs.list_service_deployments(cluster=service.cluster, service=service.name, status=states)["serviceDeployments"]


def register(service, before, image):
    """The revision with another image, tagged as a release's."""
    taken = boto3.session.Session().client("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    fields = {name: value for name, value in before.items() if name in taken and value}
    containers = [{**container, "image": image} for container in before["containerDefinitions"]]
    made = service.ecs.register_task_definition(**{**fields, "containerDefinitions": containers},
                                                tags=[{"key": "perch:release", "value": RELEASE}])
    return made["taskDefinition"]["revision"]
