"""Twin of functions/restore-traffic."""

import aliases
import perch


def handler(event, context):
    """Take the fence, put all traffic back on the baseline, read it back."""
    record = perch.release(event["releaseId"])
    seq, cause = record["seq"], event["cause"]
    head = perch.take_fence(record["target"], "active = :holder", {":holder": {"S": record["id"]}})
    record["fence"] = head["fence"]
    ledger = record["ledger"]
    alias = ledger["snapshot"]
    *_, revision = aliases.read(alias["lambda"])
    if perch.head(record["target"])["fence"] != head["fence"]:
        raise RuntimeError("another took the fence")
    aliases.shift(alias["lambda"], ledger["baseline"], {}, revision)
    version, split, revision = aliases.read(alias["lambda"])
    if (version, split) != (ledger["baseline"], {}):
        raise RuntimeError("the alias is not as it was set")
    alias["revision"] = revision
    text = f"guard {cause['alarm']} in ALARM: {cause['reason']}"
    entries = [perch.entry(record, what, text) for what in ("RollbackDecided", "ReleaseRolledBack")]
    record["phase"] = {"name": "RolledBack", "cause": cause}
    record["endedAt"] = perch.now()
    perch.commit(record, seq, entries, exposed=False, over=True)
    return perch.answer(event, record["fence"], "Close")
