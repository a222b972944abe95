"""Who sends the requests: through the Lambda alias, or through the front of the model servers."""

from __future__ import annotations

import csv
import http.client
import json
import threading
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from urllib.parse import urlsplit

from perch_stage.ledger import UNKNOWN, Answer
from perch_stage.load import Invoke

HELDOUT = Path(__file__).resolve().parent / "training" / "heldout.csv"
UNSURE = 0.5
# One of so many requests repeats a headline word for word: a cache can answer it.
REPEATED = 4


def labels(path: Path = HELDOUT) -> dict[str, str]:
    """The category of each headline of a data file."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["headline"]: row["category"] for row in csv.DictReader(lines)}


def headlines(path: Path = HELDOUT) -> list[str]:
    """The headlines of a data file."""
    return list(labels(path))


def asked_again(texts: list[str]) -> Iterator[str]:
    """The headlines in turn, for ever; most with a number, which no model reads and no cache has seen."""
    again, fresh = cycle(texts), cycle(texts)
    for n in count():
        yield next(again) if n % REPEATED == 0 else f"{next(fresh)} ({n})"


def alias_invoke(function: str = "news-classifier", alias: str = "live", threads: int = 16) -> Invoke:
    """Invokes a Lambda alias; no retries, so that a failure is counted and not hidden."""
    import boto3
    from botocore.config import Config

    settings = Config(
        max_pool_connections=threads, connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}
    )
    client = boto3.client("lambda", config=settings)

    def invoke(headline: str) -> Answer:
        payload = json.dumps({"text": headline})
        response = client.invoke(FunctionName=function, Qualifier=alias, Payload=payload)
        response["Payload"].read()  # an unread body would keep the connection from being used again
        return Answer(str(response.get("ExecutedVersion", UNKNOWN)), "FunctionError" in response)

    return invoke


def front_invoke(url: str, timeout: float = 10.0) -> Invoke:
    """Asks the front of the model servers; one connection per thread, no retries."""
    host, right, own = urlsplit(url).netloc, labels(), threading.local()

    def invoke(text: str) -> Answer:
        connection = getattr(own, "connection", None)
        if connection is None:
            connection = own.connection = http.client.HTTPConnection(host, timeout=timeout)
        try:
            connection.request("POST", "/classify", json.dumps({"text": text}))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            own.connection = None
            connection.close()
            raise
        version = response.headers.get("model-version", UNKNOWN)
        if response.status != 200:
            return Answer(version, function_error=True)
        found = json.loads(body)
        expected = right.get(text.partition(" (")[0])
        return Answer(
            version,
            wrong=expected is not None and found["category"] != expected,
            unsure=found["confidence"] < UNSURE,
            cached=response.headers.get("cache") == "hit",
        )

    return invoke
