"""What the files of an image answer, the target's smoke tests among the questions; no stack is needed."""

import base64
import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import push_image

HERE = Path(push_image.__file__).resolve().parent
ASK = "import app, json, sys; print('ANSWER', json.dumps([app.handler(event, None) for event in json.load(sys.stdin)]))"
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "ml-inference", "AWS_LAMBDA_FUNCTION_VERSION": "7"}
SETOSA = {"sepalLength": 5.1, "sepalWidth": 3.5, "petalLength": 1.4, "petalWidth": 0.2}
LARGE = {"sepalLength": 6.9, "sepalWidth": 3.1, "petalLength": 5.4, "petalWidth": 2.1}


def predict(body: Any, **more: Any) -> dict[str, Any]:
    """The event of a request, as an HTTP API sends it."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"rawPath": "/predict", "requestContext": {"http": {"method": "POST"}}, "body": text, **more}


class Image:
    """The files of one variant, and what its handler says."""

    def __init__(self, root: Path, variant: str) -> None:
        push_image.assemble(root, push_image.variants()[variant], "b7")
        self.task = root / push_image.TASK
        self.metrics: list[dict[str, Any]] = []

    def ask(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers, with their bodies read; the printed metrics are kept."""
        done = subprocess.run(
            [sys.executable, "-c", ASK], cwd=self.task, env=os.environ | LAMBDA, input=json.dumps(events), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        self.metrics = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        answers = json.loads(done.stdout.splitlines()[-1].removeprefix("ANSWER "))
        return [answer | {"body": json.loads(answer["body"])} for answer in answers]


@pytest.fixture
def image(tmp_path: Path) -> Any:
    return lambda variant: Image(tmp_path / variant, variant)


def smoke_checks(file: str) -> list[dict[str, Any]]:
    checks: list[dict[str, Any]] = yaml.safe_load((HERE / file).read_text())["smoke"]["checks"]
    return checks


@pytest.mark.parametrize("file", ["target.yaml", "target.demo.yaml"])
def test_healthy_image_answers_the_smoke_tests_of_the_target(image: Any, file: str) -> None:
    checks = smoke_checks(file)
    answers = image("healthy").ask(*(check["invoke"]["payload"] for check in checks))
    assert [answer["statusCode"] for answer in answers] == [check["expect"]["status"] for check in checks]
    assert re.search(checks[0]["expect"]["json"]["$.model"]["matches"], answers[0]["body"]["model"])
    assert answers[1]["body"]["species"] == checks[1]["expect"]["json"]["$.species"]
    assert answers[1]["body"]["probability"] >= checks[1]["expect"]["json"]["$.probability"]["min"]


def test_swapped_labels_fail_the_smoke_test_and_nothing_else(image: Any) -> None:
    wrong = image("mislabelled")
    answers = wrong.ask(*(check["invoke"]["payload"] for check in smoke_checks("target.yaml")))
    assert [answer["statusCode"] for answer in answers] == [200, 200]
    assert answers[1]["body"]["species"] == "virginica"
    assert [line["Errors"] for line in wrong.metrics] == [0, 0]


def test_broken_image_passes_the_smoke_tests_and_fails_for_large_flowers(image: Any) -> None:
    broken = image("failing")
    *smoke, large = broken.ask(*(check["invoke"]["payload"] for check in smoke_checks("target.yaml")), predict(LARGE))
    assert [answer["statusCode"] for answer in (*smoke, large)] == [200, 200, 500]
    assert large["body"] == {"error": "the request could not be answered"}
    assert [line["Errors"] for line in broken.metrics] == [0, 0, 1]


def test_metrics_name_function_and_version_in_the_namespace_that_the_judge_reads(image: Any) -> None:
    healthy = image("healthy")
    healthy.ask(predict(SETOSA))
    judged = yaml.safe_load((HERE / "target.yaml").read_text())["judge"]["metrics"]
    (line,) = healthy.metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == judged["namespace"]
    assert (line["Service"], line["Version"], line["Requests"]) == ("ml-inference", "7", 1)


def test_bad_input_is_refused_with_the_field_and_is_no_error_of_the_service(image: Any) -> None:
    healthy = image("healthy")
    cases = [
        ("{", "body: is no JSON"),
        ([], 'body: must be an object such as {"sepalLength": 5.1, ...}'),
        (SETOSA | {"petalWidth": "2"}, "petalWidth: must be a number of centimetres above 0, at most 30"),
        (SETOSA | {"petalWidth": True}, "petalWidth: must be a number of centimetres above 0, at most 30"),
        (SETOSA | {"petalWidth": 0}, "petalWidth: must be a number of centimetres above 0, at most 30"),
        ({k: v for k, v in SETOSA.items() if k != "sepalWidth"}, "sepalWidth: is missing"),
    ]
    answers = healthy.ask(*(predict(body) for body, _ in cases))
    assert [(answer["statusCode"], answer["body"]["error"]) for answer in answers] == [(400, text) for _, text in cases]
    assert {line["Errors"] for line in healthy.metrics} == {0}


def test_body_may_come_as_base64_and_other_routes_are_not_there(image: Any) -> None:
    coded = predict(base64.b64encode(json.dumps(SETOSA).encode()).decode(), isBase64Encoded=True)
    other = {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}
    found, missing = image("healthy").ask(coded, other)
    assert (found["statusCode"], found["body"]["species"], found["headers"]["x-image-build"]) == (200, "setosa", "b7")
    assert missing["statusCode"] == 404


def test_model_is_what_training_writes() -> None:
    done = subprocess.run([sys.executable, str(HERE / "training/train.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_event_is_a_push_that_the_target_takes() -> None:
    push = json.loads((HERE / "events/on-image-push.json").read_text())["detail"]
    source = yaml.safe_load((HERE / "target.yaml").read_text())["sources"]["image"]
    assert push["repository-name"] == source["repository"] == push_image.REPOSITORY
    assert any(fnmatch.fnmatch(push["image-tag"], glob) for glob in source["tags"])


def test_dockerfile_copies_what_the_local_image_has() -> None:
    lines = (HERE / "Dockerfile").read_text()
    assert "COPY examples/ml-inference/app docs/snippets/emf.py ${LAMBDA_TASK_ROOT}/" in lines
    assert 'CMD ["app.handler"]' in lines
