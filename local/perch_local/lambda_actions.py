"""The IAM action of Lambda calls on one alias, which ministack takes for ListAliases.

AWS: Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda"
(list_awslambda): GetAlias, UpdateAlias and DeleteAlias are actions of their own.
"""
from ministack.core import iam_actions

_ON_ONE_ALIAS = {"GET": "GetAlias", "PUT": "UpdateAlias", "DELETE": "DeleteAlias"}


def on_one_alias(method, path):
    """The action of a call on `.../functions/NAME/aliases/ALIAS`, or None for any other path."""
    parts = [part for part in path.split("/") if part]
    if "functions" not in parts:
        return None
    rest = parts[parts.index("functions") + 1:]
    return _ON_ONE_ALIAS.get(method) if len(rest) == 3 and rest[1] == "aliases" else None


def install():
    """Put the right action in place of ministack's."""
    original = iam_actions._lambda_action
    iam_actions._lambda_action = lambda method, path: on_one_alias(method, path) or original(method, path)
