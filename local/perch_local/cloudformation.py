"""CloudFormation resource types and properties that Perch's templates use and ministack lacks.

AWS: CloudFormation Template Reference, AWS::CloudWatch::CompositeAlarm; AWS::Lambda::Function (Code.ImageUri,
DeadLetterConfig, ReservedConcurrentExecutions); AWS::CloudWatch::Alarm Metrics is in alarms.py. AWS SAM hands the
template's parameters to its transform, so `AutoPublishAlias: !Ref Name` resolves; ministack hands over none.
"""
import contextvars

from ministack.services import cloudwatch as CW, lambda_svc as L
from ministack.services.cloudformation import changesets, engine, handlers, provisioners as P
from perch_local import images, oci, versions

_parameters = contextvars.ContextVar("perch_sam_parameters", default=None)


def _composite_put(name, props):
    data = {k: v for k, v in props.items() if k != "Tags"}
    status, _, body = CW._put_composite_alarm({}, dict(data, AlarmName=name), False, True)
    if status >= 400:
        raise ValueError(f"AWS::CloudWatch::CompositeAlarm: {body.decode() if isinstance(body, bytes) else body}")
    return name, {"Arn": CW._composite_alarms[name]["AlarmArn"]}


def composite_create(logical_id, props, stack_name):
    """Create the alarm; its children have to exist, as on AWS."""
    return _composite_put(props.get("AlarmName") or P._physical_name(stack_name, logical_id, max_len=255), props)


def composite_update(physical_id, old_props, new_props, stack_name):
    """Rewrite the alarm; a new AlarmName replaces it."""
    name = new_props.get("AlarmName") or physical_id
    result = _composite_put(name, new_props)
    if name != physical_id:
        composite_delete(physical_id, old_props)
    return result


def composite_delete(physical_id, props):
    """Forget the alarm."""
    CW._composite_alarms.pop(physical_id, None)


def _function_create(original):
    def create(logical_id, props, stack_name):
        uri = (props.get("Code") or {}).get("ImageUri")
        try:
            digest = images.resolve(uri)[1] if uri else None
        except oci.BadImage as wrong:
            raise ValueError(str(wrong)) from wrong
        name, attributes = original(logical_id, props, stack_name)
        func = L._functions[name]
        if digest:
            func["config"]["CodeSha256"] = digest.removeprefix("sha256:")
        _apply_extras(func, props)
        return name, attributes
    return create


def _function_update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        result = original(physical_id, old_props, new_props, stack_name, logical_id)
        _apply_extras(L._functions[result[0]], new_props)
        return result
    return update


def _apply_extras(func, props):
    reserved = props.get("ReservedConcurrentExecutions")
    func["concurrency"] = None if reserved is None else int(reserved)
    if props.get("DeadLetterConfig"):
        func["config"]["DeadLetterConfig"] = props["DeadLetterConfig"]
    else:
        func["config"].pop("DeadLetterConfig", None)


def _with_parameters(original):
    def apply(template, provided_params=None, previous_params=None):
        values = engine._transform_parameters(template, provided_params, previous_params)
        token = _parameters.set({k: v["Value"] if isinstance(v, dict) and "Value" in v else v for k, v in (values or {}).items()})
        try:
            return original(template, provided_params, previous_params)
        finally:
            _parameters.reset(token)
    return apply


def _pass_parameters():
    from samtranslator.translator import transform as module
    transform = module.transform
    module.transform = lambda template, values, loader, *more: transform(template, values or _parameters.get() or {}, loader, *more)
    for user in (engine, changesets, handlers):
        user._apply_transforms = _with_parameters(engine._apply_transforms) if user is engine else engine._apply_transforms


def install():
    """Add to the running ministack's table of resource handlers."""
    P._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
        "create": composite_create, "update": composite_update, "delete": composite_delete}
    create, update = _function_create(P._lambda_create), _function_update(P._lambda_update)
    P._lambda_create = create               # ministack's update calls it by this name when it has to replace
    P._RESOURCE_HANDLERS["AWS::Lambda::Function"].update(create=create, update=versions.patiently(update))
    version = P._RESOURCE_HANDLERS["AWS::Lambda::Version"]
    version.update(create=versions.patiently(version["create"]), update=versions.patiently(version["update"]))
    _pass_parameters()
