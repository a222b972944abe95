"""SSM SecureString parameters and references to Secrets Manager."""
import json

import boto3
import pytest
from botocore.exceptions import ClientError

PATH = "/aws/reference/secretsmanager/team/slack"


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


@pytest.fixture(scope="module", autouse=True)
def stored(client):
    client("ssm").put_parameter(Name="/perch/slack", Type="SecureString", Value="https://hooks/x")
    client("secretsmanager").create_secret(Name="team/slack", SecretString="https://hooks/y")


def test_secure_string(client):
    ssm = client("ssm")
    assert ssm.get_parameter(Name="/perch/slack", WithDecryption=True)["Parameter"]["Value"] == "https://hooks/x"
    assert ssm.get_parameter(Name="/perch/slack")["Parameter"]["Value"] != "https://hooks/x"
    assert code(ssm.get_parameter, Name="/perch/none") == "ParameterNotFound"


def test_reference_to_a_secret(client):
    ssm = client("ssm")
    found = ssm.get_parameter(Name=PATH, WithDecryption=True)["Parameter"]
    assert (found["Name"], found["Type"], found["Value"]) == (PATH, "SecureString", "https://hooks/y")
    assert json.loads(found["SourceResult"])["name"] == "team/slack"
    assert code(ssm.get_parameter, Name=PATH) == "ValidationException"
    assert code(ssm.get_parameter, Name=PATH + "x", WithDecryption=True) == "ParameterNotFound"
    many = ssm.get_parameters(Names=[PATH, "/perch/slack", PATH + "x"], WithDecryption=True)
    assert {p["Name"] for p in many["Parameters"]} == {PATH, "/perch/slack"} and many["InvalidParameters"] == [PATH + "x"]


def test_a_reference_needs_the_secret_permission(client, server):
    iam, trust = client("iam"), {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    grant = lambda *actions: iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}))
    keys = client("sts").assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]
    ssm = boto3.client("ssm", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
                       aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    grant("ssm:GetParameter")
    assert code(ssm.get_parameter, Name=PATH, WithDecryption=True) == "AccessDeniedException"
    grant("ssm:GetParameter", "secretsmanager:GetSecretValue")
    assert ssm.get_parameter(Name=PATH, WithDecryption=True)["Parameter"]["Value"] == "https://hooks/y"
