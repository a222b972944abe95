"""Ids and ARNs of services, their revisions, deployments and task sets, and finding what a request names."""
import random
import secrets
import string

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import ecs as E


class ApiError(Exception):
    """(error code, message) of a refused request."""

    def response(self):
        """As ministack answers."""
        return error_response_json(*self.args, 400)


def number():
    """The number of a deployment, task set or revision; a revision and its deployment share it, as seen on AWS."""
    return str(random.randrange(10**18, 10**19))


def token():
    """The last part of a service deployment's ARN."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(21))


def arn(kind, service_key, rest):
    """The ARN of something that belongs to a service, such as service-revision/CLUSTER/SERVICE/NUMBER."""
    return f"arn:aws:ecs:{get_region()}:{get_account_id()}:{kind}/{service_key}/{rest}"


def service_key(data):
    """CLUSTER/SERVICE that a request names; raises ApiError when there is no such cluster or service."""
    cluster = E._resolve_cluster_name(data.get("cluster") or "default")
    found = E._resolve_service_ref(data.get("service") or "")
    if found and found[1] and not data.get("cluster"):
        cluster = found[1]
    if cluster is None or cluster not in E._clusters:
        raise ApiError("ClusterNotFoundException", "Cluster not found.")
    if found is None or (found[1] or cluster) != cluster or f"{cluster}/{found[0]}" not in E._services:
        raise ApiError("ServiceNotFoundException", "Service not found.")
    return f"{cluster}/{found[0]}"


def key_of(service_arn):
    """CLUSTER/SERVICE of a service's ARN."""
    return service_arn.split(":service/", 1)[1]


def task_definition(ref):
    """The ARN of a task definition; raises ApiError when there is none."""
    key = E._resolve_td_key(ref)
    if key not in E._task_defs or E._task_defs[key].get("status") == "INACTIVE":
        raise ApiError("ClientException", "TaskDefinition not found.")
    return E._task_defs[key]["taskDefinitionArn"]


def answered(call):
    """The call, with ApiError as its response."""
    def wrapped(data):
        try:
            return call(data)
        except ApiError as refused:
            return refused.response()
    return wrapped
