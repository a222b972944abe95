"""Numbers and booleans of a template in the type that the API has for them.

AWS: CloudFormation turns the text of a parameter (`Ref` of a Number is text) into the type of the property. The types are
those of the service model that comes with botocore.
"""
import functools

import botocore.session

_OF_TEXT = {"integer": int, "long": int, "double": float, "float": float, "boolean": lambda text: text.lower() == "true"}


@functools.cache
def _input(operation):
    return botocore.session.get_session().get_service_model("ecs").operation_model(operation).input_shape


def typed(operation, request):
    """A request in the API's types; what the model does not know stays as it is."""
    return _as(_input(operation), request)


def _as(shape, value):
    if shape.type_name == "structure" and isinstance(value, dict):
        return {k: _as(shape.members[k], v) if k in shape.members else v for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_as(shape.member, one) for one in value]
    return _OF_TEXT[shape.type_name](value) if shape.type_name in _OF_TEXT and isinstance(value, str) else value
