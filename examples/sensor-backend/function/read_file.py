"""An uploaded file of readings: parsed, each sensor's batch put to the service, the answers kept beside it.

readings/NAME.csv has lines `sensor,value`; summaries/NAME.json gets what the service said of each sensor. An answer that does
not come fails the invocation, so Lambda tries the file again.
"""

import csv
import io
import json
import os
import urllib.request
from collections import defaultdict

import boto3

BACKEND = os.environ["BACKEND"]
WITHIN = 5
s3 = boto3.client("s3")


def handler(event, _context):
    """One upload, as EventBridge tells of it."""
    bucket, key = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    summaries = [asked(sensor, values) for sensor, values in batches(text).items()]
    name = key.removeprefix("readings/").rsplit(".", 1)[0]
    s3.put_object(Bucket=bucket, Key=f"summaries/{name}.json", Body=json.dumps(summaries), ContentType="application/json")
    return {"file": key, "sensors": len(summaries)}


def batches(text):
    """{sensor: values} of a file; a line that is no reading is named."""
    found = defaultdict(list)
    for number, line in enumerate(csv.reader(io.StringIO(text)), 1):
        try:
            sensor, value = line
            found[sensor].append(float(value))
        except ValueError as wrong:
            raise ValueError(f"line {number} is not `sensor,value`: {line}") from wrong
    return found


def asked(sensor, values):
    """What the service says of one sensor's readings."""
    body = json.dumps({"sensor": sensor, "values": values}).encode()
    request = urllib.request.Request(f"{BACKEND}/readings", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=WITHIN) as answer:
        return json.load(answer)
