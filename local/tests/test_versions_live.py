"""Publishing versions and moving aliases."""
import json

import pytest
from botocore.exceptions import ClientError
from conftest import ready, until, zipped


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def lam(client, function):
    function("moves", {"BUILD": "1"})
    return client("lambda")


def change(lam, build, name="moves"):
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"BUILD": build}})
    ready(lam, name)


def test_publishing_twice_gives_the_same_version(lam, bootstrap):
    first = lam.publish_version(FunctionName="moves")
    assert lam.publish_version(FunctionName="moves")["Version"] == first["Version"] == "1"
    lam.update_function_code(FunctionName="moves", ZipFile=zipped(bootstrap))             # the same code once more
    ready(lam, "moves")
    assert lam.publish_version(FunctionName="moves")["Version"] == "1"
    change(lam, "2")
    assert lam.publish_version(FunctionName="moves")["Version"] == "2"
    assert lam.update_function_code(FunctionName="moves", ZipFile=zipped(bootstrap), Publish=True)["Version"] == "2"
    ready(lam, "moves")


def test_publish_preconditions(lam):
    now = lam.get_function(FunctionName="moves")["Configuration"]
    assert now["LastUpdateStatus"] == "Successful"
    assert refused(lam.publish_version, FunctionName="moves", RevisionId="stale") == ("PreconditionFailedException", 412)
    assert refused(lam.publish_version, FunctionName="moves", CodeSha256="other") == ("InvalidParameterValueException", 400)
    assert lam.publish_version(FunctionName="moves", RevisionId=now["RevisionId"], CodeSha256=now["CodeSha256"])["Version"] == "2"


@pytest.mark.parametrize("action, arguments", [
    ("update_function_code", ("ZipFile",)), ("update_function_configuration", ("Timeout",)), ("publish_version", ())])
def test_an_update_in_progress_refuses_others(lam, bootstrap, action, arguments):
    given = {name: {"ZipFile": zipped(bootstrap), "Timeout": 10}[name] for name in arguments}        # as they are already

    def answered():
        """(what it answered) to a call between two looks that find the update in progress; () when it was over by the second."""
        ready(lam, "moves")
        lam.update_function_code(FunctionName="moves", ZipFile=zipped(bootstrap))
        try:
            answer = getattr(lam, action)(FunctionName="moves", **given)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as wrong:
            answer = wrong.response["Error"]["Code"], wrong.response["ResponseMetadata"]["HTTPStatusCode"]
        return (answer,) if lam.get_function(FunctionName="moves")["Configuration"]["LastUpdateStatus"] == "InProgress" else ()
    assert until(answered) == (("ResourceConflictException", 409),)
    ready(lam, "moves")


def test_update_code_with_a_stale_revision_changes_nothing(lam, bootstrap):
    before = lam.get_function(FunctionName="moves")["Configuration"]
    assert refused(lam.update_function_code, FunctionName="moves", ZipFile=zipped(bootstrap), RevisionId="stale") == (
        "PreconditionFailedException", 412)
    assert lam.update_function_code(FunctionName="moves", ZipFile=b"PK", DryRun=True)["RevisionId"] == before["RevisionId"]
    assert lam.get_function(FunctionName="moves")["Configuration"]["RevisionId"] == before["RevisionId"]


def test_alias_weights_and_revision(lam):
    alias = lam.create_alias(FunctionName="moves", Name="live", FunctionVersion="1")
    update = lambda **more: lam.update_alias(FunctionName="moves", Name="live", **more)
    split = update(RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}, RevisionId=alias["RevisionId"])
    assert split["RevisionId"] != alias["RevisionId"]
    assert refused(update, RevisionId=alias["RevisionId"], Description="late") == ("PreconditionFailedException", 412)
    kept = update(Description="weights stay when RoutingConfig is left out")
    assert kept["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.1} and kept["RevisionId"] != split["RevisionId"]
    cleared = update(FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in cleared and cleared["FunctionVersion"] == "2"
    assert lam.get_alias(FunctionName="moves", Name="live")["RevisionId"] == cleared["RevisionId"]


def test_alias_refusals(lam):
    invalid, missing = ("InvalidParameterValueException", 400), ("ResourceNotFoundException", 404)
    update = lambda **more: refused(lam.update_alias, FunctionName="moves", Name="live", **more)
    weights = lambda w: {"RoutingConfig": {"AdditionalVersionWeights": w}}
    assert update(FunctionVersion="99") == update(**weights({"99": 0.1})) == missing
    assert refused(lam.update_alias, FunctionName="moves", Name="none", FunctionVersion="1") == missing
    assert update(FunctionVersion="1", **weights({"1": 0.1})) == invalid
    assert update(FunctionVersion="1", **weights({"2": 1.5})) == invalid
    change(lam, "3")
    lam.publish_version(FunctionName="moves")
    assert update(FunctionVersion="1", **weights({"2": 0.1, "3": 0.1})) == invalid
    assert update(FunctionVersion="$LATEST", **weights({"2": 0.1})) == invalid
    assert refused(lam.create_alias, FunctionName="moves", Name="other", FunctionVersion="99") == missing


def test_versions_need_one_role(lam, client):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    role = client("iam").create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    before = lam.get_function_configuration(FunctionName="moves")["Role"]
    lam.update_function_configuration(FunctionName="moves", Role=role)
    ready(lam, "moves")
    version = lam.publish_version(FunctionName="moves")["Version"]
    assert refused(lam.update_alias, FunctionName="moves", Name="live", FunctionVersion="1",
                   RoutingConfig={"AdditionalVersionWeights": {version: 0.5}})[0] == "InvalidParameterValueException"
    lam.update_function_configuration(FunctionName="moves", Role=before)
    ready(lam, "moves")


def test_a_version_behind_an_alias_is_not_deleted(lam):
    lam.update_alias(FunctionName="moves", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.0}})
    for version in "12":
        assert refused(lam.delete_function, FunctionName="moves", Qualifier=version) == ("ResourceConflictException", 409)
    lam.update_alias(FunctionName="moves", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    lam.delete_function(FunctionName="moves", Qualifier="2")
    assert "2" not in [v["Version"] for v in lam.list_versions_by_function(FunctionName="moves")["Versions"]]
