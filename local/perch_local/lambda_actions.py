"""The IAM action, and the resource, of Lambda calls that ministack takes for others.

AWS: Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda" (list_awslambda):
GetAlias, UpdateAlias and DeleteAlias are actions of their own on the function; those on provisioned concurrency
are on the alias or version. So is an invocation that names one (Lambda Developer Guide, "Resources and conditions for
Lambda actions"): a policy for `function:NAME` alone does not allow it.
"""
from urllib.parse import unquote

from ministack.core import iam_actions

_ON_ONE_ALIAS = {"GET": "GetAlias", "PUT": "UpdateAlias", "DELETE": "DeleteAlias"}
_PROVISIONED = {"GET": "GetProvisionedConcurrencyConfig", "PUT": "PutProvisionedConcurrencyConfig",
                "DELETE": "DeleteProvisionedConcurrencyConfig"}


def _after_functions(path):
    parts = [part for part in path.split("/") if part]
    return parts[parts.index("functions") + 1:] if "functions" in parts else []


def own_action(method, path):
    """The action of a call on `.../functions/NAME/aliases/ALIAS` or `.../provisioned-concurrency`, or None for any other."""
    rest = _after_functions(path)
    if len(rest) == 3 and rest[1] == "aliases":
        return _ON_ONE_ALIAS.get(method)
    return _PROVISIONED.get(method) if rest[1:] == ["provisioned-concurrency"] else None


# Calls that are on the alias or version that they name.
_QUALIFIED = (["provisioned-concurrency"], ["invocations"])


def qualified(arn, path, query):
    """The ARN with the qualifier of an invocation, or of a call on provisioned concurrency; of any other call as it is."""
    qualifier = query.get("Qualifier")
    qualifier = qualifier[0] if isinstance(qualifier, list) else qualifier
    if _after_functions(path)[1:] not in _QUALIFIED or not qualifier:
        return arn
    return f"{arn}:{unquote(qualifier)}"


def install():
    """Put the right action and resource in place of ministack's."""
    action, resource = iam_actions._lambda_action, iam_actions.extract_resource_arn

    def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id):
        arn = resource(service, method, path, headers, body, query_params, region, account_id)
        return qualified(arn, path, query_params) if service == "lambda" else arn

    iam_actions._lambda_action = lambda method, path: own_action(method, path) or action(method, path)
    iam_actions.extract_resource_arn = extract_resource_arn
