"""Twin of functions/stop-deployment, for a deployment that has ended."""

import aliases
import deployments
import perch


def handler(event, context):
    """Put all traffic back on the baseline once no deployment runs, and read it back."""
    record = perch.held(event)
    seq, ledger = record["seq"], record["ledger"]
    if perch.head(record["target"])["fence"] != record["fence"]:
        raise RuntimeError("another took the fence")
    status, _, back = deployments.read(record["deployment"]["id"])
    if status not in deployments.ENDED or back:
        raise RuntimeError(f"the deployment is {status}")
    service = ledger["snapshot"]["lambda"]
    *_, revision = aliases.read(service)
    if perch.head(record["target"])["fence"] != record["fence"]:
        raise RuntimeError("another took the fence")
    aliases.shift(service, ledger["baseline"], {}, revision)
    version, split, _ = aliases.read(service)
    if (version, split) != (ledger["baseline"], {}):
        raise RuntimeError("the alias is not as it was set")
    cause = record["phase"]["cause"]
    entry = perch.entry(record, "ReleaseRolledBack", f"aborted by {cause['by']}: {cause['reason']}")
    record["phase"] = {"name": "RolledBack", "cause": cause}
    record["endedAt"] = perch.now()
    perch.commit(record, seq, [entry], exposed=False, over=True)
    return perch.answer(event, record["fence"], "Close")
