"""Twin of functions/restore-replicas, for one canary server that goes back."""

import aliases
import perch
import replicas


def handler(event, context):
    """Bring every replica back to the baseline, last one first."""
    record = perch.held(event)
    seq, ledger, plan = record["seq"], record["ledger"], record["plan"]
    aliases.held_by(record)
    model, baseline = plan["driver"]["model"], ledger["baseline"]
    for replica in reversed(ledger["snapshot"]["replicas"]):
        if replicas.state(replica, model)["active"] != baseline:
            if perch.head(record["target"])["fence"] != record["fence"]:
                raise RuntimeError("another execution holds the target")
            replicas.activate(replica, model, baseline)
    if replicas.generation(plan["cache"], model) == record["canary"]:
        raise RuntimeError("the cache was switched")
    for replica in ledger["snapshot"]["replicas"]:
        replicas.call(replica, model, "DELETE", f"/versions/{record['canary']}")
    cause = record["phase"]["cause"]
    entry = perch.entry(record, "ReleaseRolledBack", f"aborted by {cause['by']}: {cause['reason']}")
    record["phase"] = {"name": "RolledBack", "cause": cause}
    record["endedAt"] = perch.now()
    perch.commit(record, seq, [entry], exposed=False, over=True)
    return perch.answer(event, record["fence"], "Close")
