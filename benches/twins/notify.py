"""Twin of functions/notify, for targets without Slack."""

import os

import perch

topic, secrets = perch.client("sns"), perch.client("ssm")
TOPIC = os.environ["PERCH_TOPIC_ARN"]


def handler(event, context):
    """Tell people about journal entries."""
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        if record["eventName"] == "INSERT" and image["sk"]["S"].startswith("JOURNAL#"):
            _tell(perch.plain(image))
    return {"batchItemFailures": []}


def _tell(entry):
    release = perch.release(entry["release"])
    headline = f"{entry['target']}: {perch.name_of(release['artifact'])} rolled back"
    text = (
        f"{headline}\n{entry['cause']}.\n\nTarget: {entry['target']}\n"
        f"Artifact: {perch.name_of(release['artifact'])}\n"
        f"Baseline: version {release['ledger']['baseline']}. Canary: version {release['canary']}.\n"
        f"At: {entry['at']}\nEntry: {entry['release']}/{entry['seq']}\n\nperch release {entry['release']}\n"
    )
    attributes = {
        "target": entry["target"],
        "release": entry["release"],
        "entry": f"{entry['release']}/{entry['seq']}",
        "what": entry["what"],
        "severity": "warning",
    }
    topic.publish(
        TopicArn=TOPIC,
        Subject=headline[:99],
        Message=text,
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )
    target = perch.get(f"TARGET#{entry['target']}", "SPEC")
    if target.get("notify", {}).get("slack"):
        raise RuntimeError("the target tells Slack")
