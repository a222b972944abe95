"""Task sets: services of the controllers CODE_DEPLOY and EXTERNAL (ECS API Reference, CreateTaskSet and its kin)."""
import pytest
from botocore.exceptions import ClientError
from conftest import until
from ecs_stack import System, push
from test_balancers_live import balancer, builds, forward, group, states  # noqa: F401


@pytest.fixture
def system(client, group, balancer):  # noqa: F811
    made = System(client, group, balancer, push(client, "small")[0])
    yield made
    if made.ecs.list_services(cluster=made.cluster)["serviceArns"]:
        made.delete()


def sets(system):
    return system.ecs.describe_task_sets(cluster=system.cluster, service=system.name)["taskSets"]


def steady(system, count):
    assert until(lambda: [s["stabilityStatus"] for s in sets(system)] == ["STEADY_STATE"] * count, every=0.05), sets(system)


def test_an_external_controller_brings_a_second_task_set_and_removes_the_first(system):
    call = {"cluster": system.cluster, "service": system.name}
    system.ecs.create_service(cluster=system.cluster, serviceName=system.name, desiredCount=3, deploymentController={"type": "EXTERNAL"})
    make = lambda build, where, scale: system.ecs.create_task_set(
        **call, taskDefinition=system.task_definition(build), launchType="FARGATE", scale={"value": scale, "unit": "PERCENT"},
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        loadBalancers=[{"targetGroupArn": where, "containerName": "app", "containerPort": 8080}])["taskSet"]
    blue = make("1", system.blue, 100)
    system.ecs.update_service_primary_task_set(**call, primaryTaskSet=blue["id"])
    steady(system, 1)
    green = make("2", system.green, 50)
    assert green["computedDesiredCount"] == 2, "1.5 is rounded up"
    steady(system, 2)
    assert builds(system.url, 10) == {"1": 10}
    system.client("elbv2").modify_rule(RuleArn=system.rule, Actions=[forward((system.green, 100))])
    assert builds(system.url, 10) == {"2": 10}
    assert system.ecs.update_task_set(**call, taskSet=green["taskSetArn"], scale={"value": 100, "unit": "PERCENT"})[
        "taskSet"]["computedDesiredCount"] == 3
    system.ecs.update_service_primary_task_set(**call, primaryTaskSet=green["taskSetArn"])
    assert {s["id"]: s["status"] for s in sets(system)} == {blue["id"]: "ACTIVE", green["id"]: "PRIMARY"}
    with pytest.raises(ClientError, match="InvalidParameterException"):
        system.ecs.delete_task_set(**call, taskSet=blue["id"])
    assert system.ecs.delete_task_set(**call, taskSet=blue["id"], force=True)["taskSet"]["status"] == "DRAINING"
    assert until(lambda: [s["id"] for s in sets(system)] == [green["id"]], every=0.05)
    assert until(lambda: len(system.tasks()) == 3, every=0.05) and builds(system.url, 10) == {"2": 10}
    with pytest.raises(ClientError, match="TaskSetNotFoundException"):
        system.ecs.delete_task_set(**call, taskSet=blue["id"])


def test_a_service_of_codedeploy_has_a_primary_task_set_and_takes_no_other_task_definition(system):
    system.create("1", controller="CODE_DEPLOY")
    steady(system, 1)
    assert [(s["status"], s["taskDefinition"][-2:], s["computedDesiredCount"]) for s in system.describe()["taskSets"]] == [("PRIMARY", ":1", 2)]
    assert (builds(system.url, 10), sorted(states(system.client, system.blue).values())) == ({"1": 10}, ["healthy"])
    for change, text in (({"taskDefinition": system.task_definition("2")}, "Unable to update task definition on services with a CODE_DEPLOY "
                          "deployment controller. Use AWS CodeDeploy to trigger a new deployment."),
                         ({"forceNewDeployment": True}, "CODE_DEPLOY")):
        with pytest.raises(ClientError, match=text):
            system.update(**change)
    with pytest.raises(ClientError, match="external deployment controllers"):
        system.ecs.create_task_set(cluster=system.cluster, service=system.name, taskDefinition=system.task_definition("3"))
    system.update(desiredCount=1)
    assert until(lambda: len(system.tasks()) == 1, every=0.05)
