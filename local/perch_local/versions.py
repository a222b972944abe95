"""Publishing versions and moving aliases: the checks and locks of Lambda's control plane.

AWS: Lambda API Reference, PublishVersion ("Lambda doesn't publish a version if the function's configuration and code
haven't changed since the last version"; CodeSha256 and RevisionId are preconditions), CreateAlias and UpdateAlias
(RoutingConfig), DeleteFunction; Lambda Developer Guide, "Lambda function states" (functions-states): while
LastUpdateStatus is InProgress, further updates and PublishVersion are refused with ResourceConflictException; "Implement
Lambda canary deployments using a weighted alias" (configuring-alias-routing): at most two versions, both published,
with the same execution role and the same dead-letter queue.
"""
import contextvars
import copy
import json
import time

from ministack.core.responses import error_response_json, new_uuid
from ministack.services import lambda_svc as L

UPDATE_TAKES = 0.3      # seconds in state Pending or InProgress; on AWS seconds to minutes
# What differs between two publications of the same code and configuration.
_VOLATILE = {"Version", "FunctionArn", "RevisionId", "LastModified", "State", "StateReason", "StateReasonCode", "LastUpdateStatus",
             "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "SnapStart", "Description", "MasterArn", "ImageUri"}

# Set while CloudFormation works: it waits for an update to end where other callers are refused.
patient = contextvars.ContextVar("perch_patient", default=False)


def patiently(call):
    """The call, with patience."""
    def wrapped(*args, **kwargs):
        token = patient.set(True)
        try:
            return call(*args, **kwargs)
        finally:
            patient.reset(token)
    return wrapped


def _invalid(text):
    return error_response_json("InvalidParameterValueException", text, 400)


def _busy(name):
    def updating():
        return L._functions[name]["config"].get("LastUpdateStatus") == "InProgress"
    deadline = time.monotonic() + 30
    while patient.get() and updating() and time.monotonic() < deadline:
        time.sleep(0.02)
    if not updating():
        return None
    return error_response_json(
        "ResourceConflictException",
        f"The operation cannot be performed at this time. An update is in progress for resource: {L._func_arn(name)}", 409)


def _lasting(config):
    return json.dumps({k: v for k, v in config.items() if k not in _VOLATILE}, sort_keys=True, default=str)


def unchanged(func):
    """The newest version, if it has the code and configuration of $LATEST."""
    newest = max(func["versions"], key=int, default=None)
    if newest and _lasting(func["versions"][newest]["config"]) == _lasting(func["config"]):
        return func["versions"][newest]["config"]
    return None


def _publish(original):
    def publish(name, data):
        func = L._functions.get(name)
        if func is None:
            return original(name, data)
        refused = _busy(name) or L._check_revision(func["config"], {k: v for k, v in data.items() if k == "RevisionId" and v})
        if refused:
            return refused
        wanted = data.get("CodeSha256")
        if wanted and wanted != func["config"].get("CodeSha256"):
            return _invalid(f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST "
                            f"({func['config'].get('CodeSha256')}). Please try again with the CodeSHA256 in $LATEST.")
        same = unchanged(func)
        if same:
            return L.json_response(same, 201)
        return original(name, data)
    return publish


def _update_code(original):
    def update(name, data):
        func = L._functions.get(name)
        if func is None:
            return original(name, data)
        refused = _busy(name)
        if refused:
            return refused
        if data.get("DryRun"):
            return L._check_revision(func["config"], data) or L.json_response(func["config"])
        response = original(name, {k: v for k, v in data.items() if k != "Publish"})
        if response[0] < 400 and data.get("Publish"):
            return L.json_response(_publish_now(func, name))
        return response
    return update


def _publish_now(func, name):
    """UpdateFunctionCode with Publish: a version of the code just set, unless it is the newest version's."""
    same = unchanged(func)
    if same:
        return same
    number = func["next_version"]
    func["next_version"] = number + 1
    config = dict(copy.deepcopy(func["config"]), Version=str(number), RevisionId=new_uuid(),
                  FunctionArn=f"{L._func_arn(name)}:{number}")
    func["versions"][str(number)] = {"config": config, "code_zip": func.get("code_zip"),
                                     "function_revision": func["config"]["RevisionId"]}
    return config


def _update_config(original):
    def update(name, data):
        return (_busy(name) if name in L._functions else None) or original(name, data)
    return update


def alias_problem(func, main, routing):
    """Why an alias may not point there, as a response, or None."""
    versions, split = func["versions"], (routing or {}).get("AdditionalVersionWeights") or {}
    for version in [main, *split]:
        if version != "$LATEST" and version not in versions:
            return error_response_json("ResourceNotFoundException", f"Function not found: {func['config']['FunctionArn']}:{version}", 404)
    if not split:
        return None
    if len(split) > 1:
        return _invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    other, weight = next(iter(split.items()))
    if not isinstance(weight, (int, float)) or not 0 <= weight <= 1:
        return _invalid(f"Value '{weight}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
                        "Member must be between 0.0 and 1.0")
    if "$LATEST" in (main, other):
        return _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    if main == other:
        return _invalid(f"Invalid function version {other}. Function version {other} is already included in routing configuration.")
    for key, name in (("Role", "execution role"), ("DeadLetterConfig", "dead-letter queue")):
        if versions[main]["config"].get(key) != versions[other]["config"].get(key):
            return _invalid(f"Versions {main} and {other} have to have the same {name}")
    return None


def _create_alias(original):
    def create(name, data):
        func = L._functions.get(name)
        if func and data.get("Name") not in func["aliases"]:
            refused = alias_problem(func, data.get("FunctionVersion", "$LATEST"), data.get("RoutingConfig"))
            if refused:
                return refused
        return original(name, data)
    return create


def _update_alias(original):
    def update(name, alias_name, data):
        func = L._functions.get(name)
        alias = (func or {}).get("aliases", {}).get(alias_name)
        if alias:
            refused = L._check_revision(alias, data) or alias_problem(
                func, data.get("FunctionVersion") or alias["FunctionVersion"], data.get("RoutingConfig", alias.get("RoutingConfig")))
            if refused:
                return refused
        # A null in the request means the same as a member that is not there: keep.
        return original(name, alias_name, {k: v for k, v in data.items() if v is not None})
    return update


def install():
    """Patch the control plane of the running ministack."""
    L._LAMBDA_STATE_TRANSITION_DELAY = UPDATE_TAKES
    L._publish_version, L._update_code = _publish(L._publish_version), _update_code(L._update_code)
    L._update_config = _update_config(L._update_config)
    L._create_alias, L._update_alias = _create_alias(L._create_alias), _update_alias(L._update_alias)
