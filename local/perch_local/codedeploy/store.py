"""What CodeDeploy keeps: applications, groups, configurations, deployments and the hooks they wait for."""
import threading
import time
import uuid

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from perch_local.codedeploy.errors import Refused
from perch_local.codedeploy.timeline import PREDEFINED

applications = AccountRegionScopedDict()        # name -> ApplicationInfo
groups = AccountRegionScopedDict()              # (application, name) -> DeploymentGroupInfo
configs = AccountRegionScopedDict()             # name -> (Config, id, created); custom ones
deployments = AccountRegionScopedDict()         # id -> Deployment, oldest first
active = AccountRegionScopedDict()              # (application, group) -> id of the deployment that is under way
hooks = AccountRegionScopedDict()               # execution id -> Execution
tags = AccountRegionScopedDict()                # ARN -> {key: value}
lock = threading.RLock()                        # one deployment at a time in a group


def arn(kind, name):
    """The ARN of an application, deploymentgroup or deploymentconfig."""
    return f"arn:aws:codedeploy:{get_region()}:{get_account_id()}:{kind}:{name}"


def new_id():
    """An id as AWS gives to applications, groups and configurations."""
    return str(uuid.uuid4())


def now():
    """A time as the API writes it: seconds, to the millisecond."""
    return round(time.time(), 3)


def application(name):
    """The application; Refused when there is none."""
    if name not in applications:
        raise Refused("ApplicationDoesNotExist", f"No application found for name: {name}")
    return applications[name]


def group(application_name, name):
    """The deployment group; Refused when there is none."""
    application(application_name)
    if (application_name, name) not in groups:
        raise Refused("DeploymentGroupDoesNotExist", f"No Deployment Group found for name: {name}")
    return groups[application_name, name]


def group_by_id(identity):
    """The group with this id, or None; its name may change while a deployment is under way."""
    return next((info for info in groups.values() if info["deploymentGroupId"] == identity), None)


def config(name):
    """The deployment configuration, predefined or custom; Refused when there is none."""
    if name in PREDEFINED:
        return PREDEFINED[name]
    if name not in configs:
        raise Refused("DeploymentConfigDoesNotExist", f"No deployment configuration found for name: {name}")
    return configs[name][0]


def deployment(deployment_id):
    """The deployment; Refused when there is none."""
    if deployment_id not in deployments:
        raise Refused("DeploymentDoesNotExist", f"The deployment {deployment_id} could not be found")
    return deployments[deployment_id]


def reset():
    """Forget everything; deployments that are under way end by themselves."""
    for kept in (applications, groups, configs, deployments, active, hooks, tags):
        kept.clear()
