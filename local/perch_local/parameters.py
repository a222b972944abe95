"""SSM parameters that are references to Secrets Manager secrets.

AWS: Systems Manager User Guide, "Referencing AWS Secrets Manager secrets from Parameter Store parameters"
(integration-ps-secretsmanager): GetParameter and GetParameters take /aws/reference/secretsmanager/<id>, WithDecryption
has to be true, and the caller needs secretsmanager:GetSecretValue on the secret.
"""
import json

from ministack.core import iam_evaluator as IAM
from ministack.core.responses import error_response_json
from ministack.services import secretsmanager as SECRETS, ssm as SSM
from perch_local import permissions

PREFIX = "/aws/reference/secretsmanager/"


def _refused(secret_arn):
    caller = IAM.caller_arn()
    if ":assumed-role/" not in caller:
        return None
    return permissions.denial(caller.split("/")[1], "secretsmanager:GetSecretValue", secret_arn)


def reference(name, with_decryption):
    """(parameter, None) or (None, error response) for a referenced secret."""
    if not with_decryption:
        return None, error_response_json("ValidationException", "WithDecryption flag must be True for retrieving a Secret Manager secret.", 400)
    _, secret = SECRETS._resolve(name.removeprefix(PREFIX))
    value = SECRETS.resolve_secret_string(name.removeprefix(PREFIX)) if secret else None
    if value is None:
        return None, error_response_json("ParameterNotFound", f"An error occurred (ParameterNotFound) when referencing Secrets Manager: "
                                         f"Secret {name} not found.", 400)
    refused = _refused(secret["ARN"])
    if refused:
        return None, error_response_json("AccessDeniedException", refused, 400)
    return {"Name": name, "Type": "SecureString", "Value": value, "Version": 0, "ARN": secret["ARN"], "DataType": "text",
            "LastModifiedDate": secret.get("LastChangedDate") or secret.get("CreatedDate") or 0,
            "SourceResult": json.dumps({"ARN": secret["ARN"], "name": secret["Name"], "secretString": value})}, None


def install():
    """Patch the two read calls of the running ministack."""
    get, get_many = SSM._get_parameter, SSM._get_parameters

    def get_parameter(data):
        name = data.get("Name") or ""
        if not name.startswith(PREFIX):
            return get(data)
        found, wrong = reference(name, data.get("WithDecryption", False))
        return wrong or SSM.json_response({"Parameter": found})

    def get_parameters(data):
        names = data.get("Names", [])
        response = get_many(dict(data, Names=[n for n in names if not n.startswith(PREFIX)]))
        body = json.loads(response[2])
        for name in (n for n in names if n.startswith(PREFIX)):
            found, wrong = reference(name, data.get("WithDecryption", False))
            if wrong and b"ParameterNotFound" not in wrong[2]:
                return wrong
            body["InvalidParameters" if wrong else "Parameters"].append(name if wrong else found)
        return SSM.json_response(body)

    SSM._get_parameter, SSM._get_parameters = get_parameter, get_parameters
