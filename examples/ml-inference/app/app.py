"""The function behind the HTTP API: POST /predict and GET /health.

Errors are caught and answered with 500, as frameworks for web services do. Lambda counts no error then, so the service
publishes its own metrics, and Perch judges by those (target.yaml, `judge.metrics`).
"""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import emf
import fault
from model import BadInput, Model, measures_of

HERE = Path(__file__).resolve().parent
MODEL = Model.read(HERE / "model.json")
BUILD = json.loads((HERE / "build.json").read_text())["build"]
FAULT = fault.read(HERE / "fault.json")
NAMESPACE = "MlInference"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one request of the HTTP API, payload format 2.0."""
    with emf.request(NAMESPACE) as counts:
        try:
            status, body = answer(event)
        except BadInput as wrong:
            status, body = 400, {"error": str(wrong)}
        except Exception:
            logging.exception("a request failed")
            counts["Errors"], status, body = 1, 500, {"error": "the request could not be answered"}
    headers = {"content-type": "application/json", "x-image-build": BUILD}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def answer(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body by method and path."""
    asked = f"{event['requestContext']['http']['method']} {event['rawPath']}"
    if asked == "GET /health":
        return 200, {"model": MODEL.version, "build": BUILD}
    if asked != "POST /predict":
        return 404, {"error": f"{asked}: no such route"}
    measures = measures_of(body_of(event))
    fault.strike(FAULT, measures)
    species, probability = MODEL.predict(measures)
    return 200, {"species": species, "probability": round(probability, 4), "model": MODEL.version}


def body_of(event: dict[str, Any]) -> Any:
    """The request's JSON."""
    text = event.get("body") or ""
    try:
        return json.loads(base64.b64decode(text) if event.get("isBase64Encoded") else text)
    except ValueError as wrong:
        raise BadInput("body: is no JSON") from wrong
