"""Twin of functions/read-replicas, for the replicas of a release."""

import perch
import replicas


def handler(event, context):
    """Ask every replica and the cache."""
    record = perch.held(event)
    model = record["plan"]["driver"]["model"]
    seen = [
        {"replica": replica, "state": replicas.state(replica, model), "silent": None}
        for replica in record["ledger"]["snapshot"]["replicas"]
    ]
    fleet = {"replicas": seen, "generation": replicas.generation(record["plan"]["cache"], model), "cacheSilent": None}
    return {"releaseId": event["releaseId"], "fence": event["fence"], "fleet": fleet}
