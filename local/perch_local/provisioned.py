"""Provisioned concurrency and weights exclude each other on an alias.

AWS: Lambda Developer Guide, "Configuring provisioned concurrency for a function" (provisioned-concurrency): an alias
with provisioned concurrency can't be configured with a routing configuration, and the other way round;
github.com/aws/serverless-application-model/issues/1296 has Lambda's words. ministack allows both.
"""
from ministack.core.responses import error_response_json
from ministack.services import lambda_svc as L
from perch_local import aliases

WORDS = "Alias with weights can not be used with Provisioned Concurrency"


def _refused():
    return error_response_json("InvalidParameterValueException", WORDS, 400)


def _put(original):
    def put(name, qualifier, data):
        return _refused() if aliases.weights(L._functions.get(name), qualifier) else original(name, qualifier, data)
    return put


def _update_alias(original):
    def update(name, alias, data):
        split = (data.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
        if split and alias in (L._functions.get(name) or {}).get("provisioned_concurrency", {}):
            return _refused()
        return original(name, alias, data)
    return update


def install():
    """Patch the control plane of the running ministack."""
    L._put_provisioned_concurrency, L._update_alias = _put(L._put_provisioned_concurrency), _update_alias(L._update_alias)
