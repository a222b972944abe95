"""ECS services whose tasks are processes of this machine, and their deployments.

CodeDeploy's part of this package calls, in process:

    create_task_set(service_arn, task_definition_arn, target_group_arn, container_name, container_port, scale_percent=100) -> id
    task_sets(service_arn) -> [dict(id, status, taskDefinition, desiredCount, pendingCount, runningCount, targetGroup, steady)]
    set_primary(service_arn, id)
    delete_task_set(service_arn, id)

`strategy` is pure. `processes` and `tasks` run containers, `fleets` keeps as many as wanted, `service`, `sets`,
`revisions`, `deployments` with `rolling` and `shifting`, and `hooks` are the service's side, `services`
and `calls` the API's.
"""
from ministack.services import ecs as E


def _key(service_arn):
    return service_arn.split(":service/", 1)[1]


def create_task_set(service_arn, task_definition_arn, target_group_arn, container_name, container_port, scale_percent=100,
                    external_id=None):
    """A replacement task set of a service that CodeDeploy deploys; returns its id."""
    from perch_local.ecs import names, sets
    service = E._services[_key(service_arn)]
    balancer = {"targetGroupArn": target_group_arn, "containerName": container_name, "containerPort": int(container_port)}
    return sets.add(service, names.task_definition(task_definition_arn), [balancer], scale_percent, started_by="CODE_DEPLOY",
                    external_id=external_id).id


def task_sets(service_arn):
    """The task sets of a service; `steady` when every task runs and is healthy."""
    from perch_local.ecs import sets
    return [{"id": one.id, "status": one.status, "taskDefinition": one.fleet.task_definition, "desiredCount": one.fleet.desired,
             "pendingCount": one.fleet.count("PENDING"), "runningCount": one.fleet.count("RUNNING"),
             "targetGroup": next((lb.get("targetGroupArn") for lb in one.load_balancers), None), "steady": one.fleet.stable(),
             "failedTasks": one.fleet.failed_in_all}
            for one in sets.of(_key(service_arn))]


def set_primary(service_arn, task_set_id):
    """This task set serves from now on."""
    from perch_local.ecs import sets
    sets.make_primary(_key(service_arn), sets.find(_key(service_arn), task_set_id))


def delete_task_set(service_arn, task_set_id):
    """Drain a task set."""
    from perch_local.ecs import sets
    sets.drain(sets.find(_key(service_arn), task_set_id))


def install():
    """Patch ECS of the running ministack; needs `balancers`."""
    from perch_local.ecs import actions, calls, fleets, policies, resources, services, tasks
    tasks.install()
    fleets.install()
    services.install()
    calls.install()
    resources.install()
    actions.install()
    policies.install()
