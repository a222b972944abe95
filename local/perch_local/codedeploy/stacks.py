"""CloudFormation: AWS::CodeDeploy::* and aliases that are updated by a deployment.

AWS: CloudFormation Template Reference, AWS::CodeDeploy::Application, DeploymentConfig, DeploymentGroup; UpdatePolicy
attribute, CodeDeployLambdaAliasUpdate, which is what AWS SAM writes for `DeploymentPreference`. The reasons of the events
are as seen on AWS. How AWS moves an alias back when a later resource fails is not documented; here all at once.
"""
import contextvars
import copy

from ministack.services import lambda_svc as L
from ministack.services.cloudformation import _stacks, changesets, engine, handlers, provisioners as P, stacks
from perch_local.codedeploy import applications, configs, deployments, groups, store
from perch_local.codedeploy.appspec import LambdaSpec
from perch_local.codedeploy.deployment import FINAL
from perch_local.codedeploy.errors import Refused

# (template, parameters) of the operation that is under way; the stack's record has them only when it is over.
_operation = contextvars.ContextVar("perch_stack_operation", default=(None, None))
_NUMBERS = {"canaryPercentage", "canaryInterval", "linearPercentage", "linearInterval", "terminationWaitTimeInMinutes", "waitTimeInMinutes"}
_BOOLEANS = {"enabled", "ignorePollAlarmFailure"}


def api(value, key=""):
    """Template properties in the API's form: camelCase names, numbers and booleans of their own type."""
    if isinstance(value, dict):
        named = {_camel(k): v for k, v in value.items()}
        return {k: (api(v, k) if k != "tags" else v) for k, v in named.items()}
    if isinstance(value, list):
        return [api(item) for item in value]
    if key in _NUMBERS:
        return int(value)
    return str(value).lower() == "true" if key in _BOOLEANS else value


def _camel(name):
    return "ecsServices" if name == "ECSServices" else name[0].lower() + name[1:]


def _call(kind, operation, data):
    try:
        return operation(data)
    except Refused as wrong:
        raise ValueError(f"AWS::CodeDeploy::{kind}: {wrong} ({wrong.code})") from wrong


def _name(props, key, stack_name, logical_id):
    return props.get(key) or P._physical_name(stack_name, logical_id, max_len=100)


def _application_create(logical_id, props, stack_name):
    name = _name(props, "ApplicationName", stack_name, logical_id)
    _call("Application", applications.create, {**api(props), "applicationName": name})
    return name, {}


def _application_update(physical_id, old, new, stack_name):
    if (old.get("ComputePlatform"), old.get("ApplicationName")) != (new.get("ComputePlatform"), new.get("ApplicationName")):
        raise ValueError("AWS::CodeDeploy::Application: its platform and its name can't be changed")
    _call("Application", applications.tag, {"ResourceArn": store.arn("application", physical_id), "Tags": new.get("Tags") or []})
    return physical_id, {}


def _config_create(logical_id, props, stack_name):
    name = _name(props, "DeploymentConfigName", stack_name, logical_id)
    if name in store.configs:                   # every property needs a replacement: another name beside the old one
        name = f"{name[:91]}-{store.new_id()[:8]}"
    _call("DeploymentConfig", configs.create, {**api(props), "deploymentConfigName": name})
    return name, {}


def _config_update(physical_id, old, new, stack_name, logical_id=None):
    if new.get("DeploymentConfigName") == physical_id:
        raise ValueError("CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                         f"Rename {physical_id} and update the stack again.")
    return _config_create(logical_id, new, stack_name)


def _group_create(logical_id, props, stack_name):
    name = _name(props, "DeploymentGroupName", stack_name, logical_id)
    _call("DeploymentGroup", groups.create, {**api(props), "deploymentGroupName": name})
    return name, {}


def _group_update(physical_id, old, new, stack_name, logical_id=None):
    renamed = new.get("DeploymentGroupName") or physical_id
    if old.get("ApplicationName") != new.get("ApplicationName") or renamed != physical_id:
        return _group_create(logical_id, new, stack_name)
    data = {k: v for k, v in api(new).items() if k != "deploymentGroupName"}
    data.setdefault("alarmConfiguration", {})
    data.setdefault("autoRollbackConfiguration", {})
    _call("DeploymentGroup", groups.update, {**data, "currentDeploymentGroupName": physical_id})
    return physical_id, {}


def _group_delete(physical_id, props):
    groups.delete({"applicationName": props["ApplicationName"], "deploymentGroupName": physical_id})


def update_policy(stack_name, logical_id):
    """The resolved CodeDeployLambdaAliasUpdate of a resource, or None."""
    template, parameters = _operation.get()
    stack = _stacks.get(stack_name) or {}
    policy = (((template or {}).get("Resources") or {}).get(logical_id) or {}).get("UpdatePolicy")
    if not policy:
        return None
    resolved = engine._resolve_refs(copy.deepcopy(policy), stack["_resources"], parameters, stack["_conditions"],
                                    template.get("Mappings", {}), stack_name, stack["StackId"])
    found = resolved.get("CodeDeployLambdaAliasUpdate") if isinstance(resolved, dict) else None
    return {k: v for k, v in found.items() if isinstance(v, str) and v} if isinstance(found, dict) else None


def deploy(policy, func, alias, target, stack_name, say):
    """Move an alias by a deployment and wait for its end; ValueError when it does not succeed."""
    stack = _stacks.get(stack_name) or {}
    back = "ROLLBACK" in stack.get("StackStatus", "")
    hooks = {} if back else {event: policy[f"{event}Hook"] for event in ("BeforeAllowTraffic", "AfterAllowTraffic") if f"{event}Hook" in policy}
    spec = LambdaSpec(func, alias, L._functions[func]["aliases"][alias]["FunctionVersion"], target, hooks)
    data = {"applicationName": policy["ApplicationName"], "deploymentGroupName": policy["DeploymentGroupName"],
            "revision": {"revisionType": "String", "string": {"content": spec.content()}}}
    if back:
        data |= {"deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce", "overrideAlarmConfiguration": {"enabled": False}}
    made = _call("DeploymentGroup", lambda given: deployments.create(
        given, "CloudFormationRollback" if back else "CloudFormation", stack.get("StackId")), data)["deploymentId"]
    say(f"CodeDeploy deployment started: {made}")
    _over(done := store.deployments[made])
    if undo := done.rollback.get("rollbackDeploymentId"):
        say(f"CodeDeploy rollback deployment started: {undo}")
        _over(store.deployments[undo])
    if done.status != "Succeeded":
        raise ValueError(f"{made} failed. {done.error['message']}")


def _over(deployment):
    with deployment.changed:
        deployment.changed.wait_for(lambda: deployment.status in FINAL)


def _alias_update(original):
    def update(physical_id, old, new, stack_name, logical_id=None):
        policy, target = update_policy(stack_name, logical_id), str(new.get("FunctionVersion"))
        func, name, _, _ = P._lambda_function_for_cfn_ref(new.get("FunctionName", ""))
        alias = ((func or {}).get("aliases") or {}).get(new.get("Name")) or {}
        if policy and alias and str(old.get("FunctionVersion")) != target != alias["FunctionVersion"]:
            stack_id = _stacks[stack_name]["StackId"]
            deploy(policy, name, new["Name"], target, stack_name, lambda reason: stacks._add_event(
                stack_id, stack_name, logical_id, "AWS::Lambda::Alias", "UPDATE_IN_PROGRESS", reason, physical_id))
        return original(physical_id, old, new, stack_name, logical_id)
    return update


def _remembered(original):
    async def run(stack_name, stack_id, template, param_values, *rest, **more):
        _operation.set((template, param_values))
        return await original(stack_name, stack_id, template, param_values, *rest, **more)
    return run


def _with_policy(original):
    """An alias waits for what its UpdatePolicy names, such as the deployment group and the hooks."""
    def dependencies(definition, names):
        policy = {name for name, _ in engine._intrinsic_references(definition.get("UpdatePolicy", {})) if name in names}
        return original(definition, names) | policy
    return dependencies


def install():
    """Add the types, and let aliases wait for their deployments on a thread."""
    more = {"update_with_logical_id": True}
    P._RESOURCE_HANDLERS |= {
        "AWS::CodeDeploy::Application": {"create": _application_create, "update": _application_update,
                                         "delete": lambda physical_id, props: applications.delete({"applicationName": physical_id})},
        "AWS::CodeDeploy::DeploymentConfig": {"create": _config_create, "update": _config_update, **more, "delete":
                                              lambda physical_id, props: _call("DeploymentConfig", configs.delete,
                                                                               {"deploymentConfigName": physical_id})},
        "AWS::CodeDeploy::DeploymentGroup": {"create": _group_create, "update": _group_update, **more, "delete": _group_delete}}
    alias = P._RESOURCE_HANDLERS["AWS::Lambda::Alias"]
    alias["update"] = _alias_update(alias["update"])
    run = _remembered(stacks._deploy_stack_async)
    for module in (stacks, handlers, changesets):
        module._deploy_stack_async = run
    engine._extract_deps = _with_policy(engine._extract_deps)
    blocks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda resource_type: resource_type == "AWS::Lambda::Alias" or blocks(resource_type)
