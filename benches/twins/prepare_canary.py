"""Twin of functions/prepare-canary, for a release that has just started: it takes the ledger."""

import aliases
import perch

cloudwatch, registry = perch.client("cloudwatch"), perch.client("ecr")


def handler(event, context):
    """Take the snapshot of what serves."""
    record = perch.held(event)
    seq, service, guards = record["seq"], record["plan"]["driver"], record["plan"]["guards"]
    baseline, split, revision = aliases.read(service)
    if split:
        raise RuntimeError("the alias is split already")
    if _is_provisioned(service):
        raise RuntimeError("the alias has provisioned concurrency")
    found = cloudwatch.describe_alarms(
        AlarmNames=guards, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
    )
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found["MetricAlarms"] + found["CompositeAlarms"]}
    if any(states[guard] == "ALARM" for guard in guards):
        raise RuntimeError("a guard is in ALARM already")
    version = aliases.functions.get_function(FunctionName=service["function"], Qualifier=baseline)
    uri = version["Code"]["ResolvedImageUri"]
    code = uri.partition("@")[2]
    if not _exists(uri):
        raise RuntimeError("there is no way back")
    if code == record["artifact"]["digest"]:
        raise RuntimeError("the artifact serves already")
    record["ledger"] = {
        "baseline": baseline,
        "canary": None,
        "snapshot": {
            "kind": "alias",
            "lambda": {"function": service["function"], "alias": service["alias"]},
            "code": code,
            "revision": revision,
        },
        "takenAt": perch.sortable(perch.at(perch.now())),
    }
    record["phase"] = {"name": "Preparing"}
    entry = perch.entry(record, "LedgerTaken", f"version {baseline} has all traffic of {service['alias']}")
    perch.commit(record, seq, [entry], exposed=False)
    return perch.answer(event, record["fence"], "Prepare")


def _is_provisioned(service):
    try:
        aliases.functions.get_provisioned_concurrency_config(FunctionName=service["function"], Qualifier=service["alias"])
    except aliases.functions.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return False
    return True


def _exists(uri):
    host, _, path = uri.partition("/")
    repository, _, digest = path.partition("@")
    image = {"registryId": host.partition(".")[0], "repositoryName": repository, "imageIds": [{"imageDigest": digest}]}
    try:
        registry.describe_images(**image)
    except (registry.exceptions.ImageNotFoundException, registry.exceptions.RepositoryNotFoundException):
        return False
    return True
