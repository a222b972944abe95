"""Reads an AppSpec of the Lambda or ECS platform, in JSON or YAML; knows nothing of the server.

AWS: CodeDeploy User Guide, "AppSpec File structure" (reference-appspec-file-structure), its sections resources and hooks.
What AWS answers for a broken AppSpec is not documented; here it is refused with InvalidRevisionException.
"""
import json
from dataclasses import dataclass, field, replace

import yaml

LAMBDA_HOOKS = ("BeforeAllowTraffic", "AfterAllowTraffic")
ECS_HOOKS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")


class BadAppSpec(ValueError):
    """What is wrong with an AppSpec."""


@dataclass(frozen=True)
class LambdaSpec:
    """An alias and the versions it moves between."""

    name: str
    alias: str
    current: str
    target: str
    hooks: dict = field(default_factory=dict)

    def reversed(self):
        """The way back; hooks don't run on it."""
        return replace(self, current=self.target, target=self.current, hooks={})

    def content(self):
        """The AppSpec as JSON."""
        properties = {"Name": self.name, "Alias": self.alias, "CurrentVersion": self.current, "TargetVersion": self.target}
        return json.dumps({"version": 0.0, "Resources": [
            {self.name: {"Type": "AWS::Lambda::Function", "Properties": properties}}],
            "Hooks": [{event: function} for event, function in self.hooks.items()]})


@dataclass(frozen=True)
class EcsSpec:
    """A task definition and the container that takes the traffic."""

    task_definition: str
    container: str
    port: int
    hooks: dict = field(default_factory=dict)

    def content(self):
        """The AppSpec as JSON."""
        return json.dumps({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
            "TaskDefinition": self.task_definition,
            "LoadBalancerInfo": {"ContainerName": self.container, "ContainerPort": self.port}}}}],
            "Hooks": [{event: function} for event, function in self.hooks.items()]})


def parse(content, platform):
    """The spec in an AppSpec; BadAppSpec names what is wrong."""
    document = _document(content)
    if not isinstance(document, dict):
        raise BadAppSpec("The AppSpec is not a mapping")
    if str(_any(document, "version")) not in ("0.0", "0"):
        raise BadAppSpec("The version of the AppSpec must be 0.0")
    kind, properties = _resource(_any(document, "Resources"))
    wanted = {"Lambda": "AWS::Lambda::Function", "ECS": "AWS::ECS::Service"}[platform]
    if kind != wanted:
        raise BadAppSpec(f"A resource of type {wanted} is expected, found {kind}")
    hooks = _hooks(_any(document, "Hooks"), LAMBDA_HOOKS if platform == "Lambda" else ECS_HOOKS)
    return _lambda(properties, hooks) if platform == "Lambda" else _ecs(properties, hooks)


def _document(content):
    try:
        return json.loads(content)
    except ValueError:
        try:
            return yaml.safe_load(content)
        except yaml.YAMLError as wrong:
            raise BadAppSpec(f"The AppSpec is neither JSON nor YAML: {wrong}") from wrong


def _any(document, key):
    return document.get(key, document.get(key[0].lower() + key[1:]))


def _resource(resources):
    if not isinstance(resources, list) or len(resources) != 1 or not isinstance(resources[0], dict) or len(resources[0]) != 1:
        raise BadAppSpec("Resources must be a list of exactly one resource")
    resource = next(iter(resources[0].values()))
    if not isinstance(resource, dict) or not isinstance(resource.get("Properties"), dict):
        raise BadAppSpec("The resource has no Properties")
    return resource.get("Type"), resource["Properties"]


def _hooks(given, known):
    hooks = {}
    for entry in given or []:
        if not isinstance(entry, dict) or not all(isinstance(v, str) and v for v in entry.values()):
            raise BadAppSpec("Hooks must be a list of {event: function}")
        hooks.update(entry)
    if unknown := sorted(set(hooks) - set(known)):
        raise BadAppSpec(f"Unknown lifecycle event in Hooks: {', '.join(unknown)}")
    return hooks


def _required(properties, *names):
    if missing := [name for name in names if properties.get(name) in (None, "")]:
        raise BadAppSpec(f"The resource lacks {', '.join(missing)}")
    return [str(properties[name]) for name in names]


def _lambda(properties, hooks):
    return LambdaSpec(*_required(properties, "Name", "Alias", "CurrentVersion", "TargetVersion"), hooks)


def _ecs(properties, hooks):
    [task_definition] = _required(properties, "TaskDefinition")
    balancer = properties.get("LoadBalancerInfo")
    if not isinstance(balancer, dict):
        raise BadAppSpec("The resource lacks LoadBalancerInfo")
    container, port = _required(balancer, "ContainerName", "ContainerPort")
    if not port.isdigit():
        raise BadAppSpec(f"ContainerPort is not a number: {port}")
    return EcsSpec(task_definition, container, int(port), hooks)
