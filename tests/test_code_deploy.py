"""CodeDeploy moves the alias on a private local stack: followed to the end, stopped when it fails, one at a time.

A minute of CodeDeploy takes three seconds here.
"""

import json

import pytest
import yaml

from stack import (
    FUNCTION,
    GUARD,
    TARGET_FILE,
    alias,
    aws,
    ended,
    journaled,
    perch,
    reached,
    release_of,
    until,
    why,
)

import push_image  # isort: skip; `stack` says where it is

APPLICATION, GROUP = "news-classifier", "live"
# The deployment takes 45 s, the watch 10 s; the machine may be busy.
ENDS_WITHIN = 240
CONFIG = "Perch.LambdaCanary30Percent15Minutes"


@pytest.fixture(scope="module")
def deployed(stage, tmp_path_factory):
    """The target's weights are moved by a deployment group that trusts Perch alone."""
    trust = {"Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = aws("iam").create_role(
        RoleName="news-classifier-codedeploy",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    aws("iam").attach_role_policy(
        RoleName="news-classifier-codedeploy",
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda",
    )
    codedeploy = aws("codedeploy")
    codedeploy.create_application(applicationName=APPLICATION, computePlatform="Lambda")
    codedeploy.create_deployment_group(
        applicationName=APPLICATION,
        deploymentGroupName=GROUP,
        serviceRoleArn=role,
        deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    )
    target = yaml.safe_load(TARGET_FILE.read_text())
    target["service"]["lambda"]["codeDeploy"] = {"application": APPLICATION, "deploymentGroup": GROUP}
    target["rollout"] = {"steps": [{"weight": "30%", "bake": "45s"}]}
    file = tmp_path_factory.mktemp("target") / "target.yaml"
    file.write_text(yaml.safe_dump(target))
    perch("apply", "-f", str(file))
    yield
    perch("apply", "-f", str(TARGET_FILE))


def deployments():
    ids = aws("codedeploy").list_deployments(applicationName=APPLICATION, deploymentGroupName=GROUP)["deployments"]
    return [aws("codedeploy").get_deployment(deploymentId=one)["deploymentInfo"] for one in ids]


def of_release(release_id):
    return [one for one in deployments() if one.get("description") == f"perch release {release_id}"]


def test_a_healthy_image_is_promoted_by_one_deployment(stage, deployed, quiet):
    release_id = release_of(push_image.push_variant("healthy").digest)
    release = ended(release_id, ENDS_WITHIN)
    assert release["phase"] == "Promoted", why(release)
    version, split = alias()
    assert (version != quiet, split) == (True, {})
    (deployment,) = of_release(release_id)
    assert (deployment["status"], deployment["deploymentConfigName"]) == ("Succeeded", CONFIG)
    (started,) = journaled(release, "DeploymentStarted")
    assert deployment["deploymentId"] in started
    assert journaled(release, "WeightShifted") == ["30% of traffic on the canary"]


def test_a_failing_image_is_stopped_with_rollback(stage, deployed, quiet):
    release_id = release_of(push_image.push_variant("failing").digest)
    release = ended(release_id, ENDS_WITHIN)
    assert release["phase"] == "RolledBack", release["phase"]
    assert alias() == (quiet, {})
    (deployment,) = of_release(release_id)
    assert deployment["status"] == "Stopped"
    back = aws("codedeploy").get_deployment(deploymentId=deployment["rollbackInfo"]["rollbackDeploymentId"])
    assert back["deploymentInfo"]["status"] == "Succeeded"
    assert journaled(release, "DeploymentStopped")


def test_a_deployment_that_someone_stops_rolls_its_release_back(stage, deployed, quiet):
    release_id = release_of(push_image.push_variant("healthy").digest)
    reached("Baking", release_id)
    (deployment,) = of_release(release_id)
    aws("codedeploy").stop_deployment(deploymentId=deployment["deploymentId"], autoRollbackEnabled=True)
    release = ended(release_id, ENDS_WITHIN)
    assert release["phase"] == "RolledBack"
    assert alias() == (quiet, {})
    causes = " ".join(journaled(release, "RollbackDecided"))
    assert deployment["deploymentId"] in causes, causes


def test_a_guard_in_alarm_takes_traffic_back_at_once(stage, deployed, quiet):
    release_id = release_of(push_image.push_variant("healthy").digest)
    reached("Baking", release_id)
    aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="ALARM", StateReason="by the test")
    until(lambda: alias() == (quiet, {}), "all traffic on the baseline")
    release = ended(release_id, ENDS_WITHIN)
    assert release["phase"] == "RolledBack"
    assert alias() == (quiet, {})
    until(lambda: all(one["status"] != "InProgress" for one in deployments()), "the end of every deployment")
    assert alias() == (quiet, {}), "CodeDeploy did not move it again"
    aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="OK", StateReason="by the test")


def test_an_alias_moved_by_hand_stays_and_the_deployment_is_stopped(stage, deployed, quiet):
    by_hand = version_of_a_person()
    release_id = release_of(push_image.push_variant("healthy").digest)
    reached("Baking", release_id)
    aws("lambda").update_alias(
        FunctionName=FUNCTION, Name="live", FunctionVersion=by_hand, RoutingConfig={"AdditionalVersionWeights": {}}
    )
    release = ended(release_id, ENDS_WITHIN)
    (deployment,) = of_release(release_id)
    assert (release["phase"], deployment["status"]) == ("Superseded", "Stopped")
    assert "rollbackInfo" not in deployment, "nothing is to move the alias again"
    assert alias() == (by_hand, {}), "as the person set it"
    (stopped,) = journaled(release, "DeploymentStopped")
    assert stopped.startswith(f"{deployment['deploymentId']} is told to stop and to leave the traffic as it is"), stopped
    assert journaled(release, "TrafficTakenOver")


def version_of_a_person():
    """A version that no release made."""
    client = aws("lambda")
    client.update_function_configuration(FunctionName=FUNCTION, Description="by hand")
    client.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION)
    version = client.publish_version(FunctionName=FUNCTION)["Version"]
    client.get_waiter("published_version_active").wait(FunctionName=FUNCTION, Qualifier=version)
    return version
