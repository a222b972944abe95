#!/usr/bin/env python3
"""Pack one variant of the service as an image and push it to the local stack's ECR.

    push_image.py --variant healthy|failing|slow|mislabelled

Prints `digest tag`. No Docker: the files are those of the Dockerfile, on this machine's Python in place of AWS's base image.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from perch_local.checkout import ROOT
from perch_stage.command import StageError
from perch_stage.images import PushedImage, new_build, push_root

HERE = Path(__file__).resolve().parent
REPOSITORY = "ml-inference"
TASK = "var/task"
# What AWS's base image has in its place: the runtime interface client, here that of this machine's environment. Lambda tells a
# runtime the function's log format, the local stack does not.
BOOTSTRAP = """#!{python}
import os, sys
os.environ["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
sys.path.insert(0, os.getcwd())
from awslambdaric.__main__ import main
main(sys.argv)
"""


def variants() -> dict[str, dict[str, Any]]:
    """The declared variants by name."""
    declared: dict[str, dict[str, Any]] = json.loads((HERE / "variants.json").read_text())
    return declared


def assemble(root: Path, variant: dict[str, Any], build: str) -> None:
    """Lay out the image's files; a healthy image has no fault.json at all."""
    task, bootstrap = root / TASK, root / "var/runtime/bootstrap"
    shutil.copytree(HERE / "app", task, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs/snippets/emf.py", task)
    (task / "build.json").write_text(json.dumps({"build": build}) + "\n")
    if fault := variant.get("fault"):
        (task / "fault.json").write_text(json.dumps(fault) + "\n")
    if classes := variant.get("classes"):
        model = json.loads((task / "model.json").read_text())
        (task / "model.json").write_text(json.dumps(model | {"classes": classes}) + "\n")
    bootstrap.parent.mkdir(parents=True)
    bootstrap.write_text(BOOTSTRAP.format(python=sys.executable))
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path == bootstrap else 0o644)


def push_variant(variant: str, *, build: str | None = None, client: Any = None) -> PushedImage:
    """Push one build of a variant; the same build and variant give the same digest."""
    if variant not in variants():
        raise StageError(f"--variant: {variant} is not one of {', '.join(variants())}")
    build = build or new_build()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        assemble(root, variants()[variant], build)
        entrypoint, command = ("/lambda-entrypoint.sh",), ("app.handler",)
        return push_root(root, REPOSITORY, variant, build, entrypoint, command=command, workdir=f"/{TASK}", client=client)


def main() -> int:
    """The command line."""
    rows = "\n".join(f"  {name:12} {variant['about']}" for name, variant in variants().items())
    parser = argparse.ArgumentParser(
        description="Pack one variant of the service as an image and push it to the local stack's ECR.",
        epilog=f"variants:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--variant", required=True, choices=list(variants()))
    parser.add_argument("--build", help="name of this build; default: the time in UTC")
    options = parser.parse_args()
    if not os.environ.get("AWS_ENDPOINT_URL"):
        print("push_image: for the local stack only (. local/env.sh); on AWS: docker build and docker push", file=sys.stderr)
        return 1
    image = push_variant(options.variant, build=options.build)
    print(image.digest, image.tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
