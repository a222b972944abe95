"""What a call on ECS or a load balancer is about, for IAM.

AWS: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Elastic Container Service"
(list_amazonelasticcontainerservice) and "for Elastic Load Balancing V2" (list_awselasticloadbalancingv2). ministack takes the
cluster for every call of ECS, and does not read the ARNs of a load balancer's call from its form.
"""
import json
from urllib.parse import parse_qs

from ministack.core import iam_actions

_SERVICE = ("CreateService", "UpdateService", "DeleteService", "DescribeServices", "ListServiceDeployments", "UpdateServicePrimaryTaskSet")
_TASK_SETS = ("CreateTaskSet", "UpdateTaskSet", "DeleteTaskSet", "DescribeTaskSets")
_BY_ARN = {"StopServiceDeployment": "serviceDeploymentArn", "ContinueServiceDeployment": "serviceDeploymentArn",
           "DescribeServiceDeployments": "serviceDeploymentArns", "DescribeServiceRevisions": "serviceRevisionArns"}
_ANY = ("ListTasks", "DescribeTaskDefinition", "DeregisterTaskDefinition", "ListTaskDefinitions", "ListClusters", "ListServices")
# The form fields that name the resource of a call, the narrowest first.
_FIELDS = ("RuleArn", "ListenerArn", "LoadBalancerArn", "TargetGroupArn", "RulePriorities.member.1.RuleArn", "ResourceArns.member.1")


def ecs_resource(action, data, region, account):
    """The ARN that a call of ECS needs permission for, or None where ministack's is right."""
    prefix = f"arn:aws:ecs:{region}:{account}:"
    first = lambda value: (value[0] if value else "") if isinstance(value, list) else value or ""
    last = lambda ref: first(ref).rsplit("/", 1)[-1]
    cluster = last(data.get("cluster")) or "default"
    if action in _ANY:
        return "*"
    if action in _BY_ARN:
        return first(data.get(_BY_ARN[action])) or "*"
    if action in _SERVICE or action in _TASK_SETS:
        service = first(data.get("service") or data.get("services") or data.get("serviceName"))
        if action in _SERVICE:
            return service if service.startswith("arn:") else f"{prefix}service/{cluster}/{service}"
        task_set = first(data.get("taskSet") or data.get("taskSets"))
        return task_set if task_set.startswith("arn:") else f"{prefix}task-set/{cluster}/{last(service)}/{task_set or '*'}"
    if action in ("StopTask", "DescribeTasks"):
        task = first(data.get("task") or data.get("tasks"))
        return task if task.startswith("arn:") else f"{prefix}task/{cluster}/{task}"
    if action == "RegisterTaskDefinition":
        return f"{prefix}task-definition/{data.get('family', '')}:*"
    if action == "RunTask":
        td = data.get("taskDefinition", "")
        return td if td.startswith("arn:") else f"{prefix}task-definition/{td if ':' in td else td + ':*'}"
    return None


def balancer_resource(fields, region, account):
    """The ARN that a call of Elastic Load Balancing needs permission for."""
    action, prefix = fields.get("Action", ""), f"arn:aws:elasticloadbalancing:{region}:{account}:"
    if action.startswith("Describe"):
        return "*"
    if action == "CreateTargetGroup":
        return f"{prefix}targetgroup/{fields.get('Name', '')}/*"
    if action == "CreateLoadBalancer":
        kind = {"network": "net", "gateway": "gwy"}.get(fields.get("Type"), "app")
        return f"{prefix}loadbalancer/{kind}/{fields.get('Name', '')}/*"
    return next((fields[name] for name in _FIELDS if fields.get(name)), "*")


def install():
    """Put the right resource in place of ministack's."""
    resource = iam_actions.extract_resource_arn

    def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id):
        found = None
        if service == "ecs":
            action = (headers.get("x-amz-target") or "").rsplit(".", 1)[-1]
            try:
                found = ecs_resource(action, json.loads(body or b"{}"), region, account_id)
            except (ValueError, AttributeError):
                found = None
        elif service == "elasticloadbalancing":
            text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
            given = {**parse_qs(text), **{k: v if isinstance(v, list) else [v] for k, v in query_params.items()}}
            found = balancer_resource({k: v[0] for k, v in given.items() if v}, region, account_id)
        return found or resource(service, method, path, headers, body, query_params, region, account_id)

    iam_actions.extract_resource_arn = extract_resource_arn
