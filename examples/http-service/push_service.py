#!/usr/bin/env python3
"""Pack one variant of an example's service as an OCI image and push it to ECR, without Docker.

    push_service.py engagement-ml --variant healthy|failing|slow|unhealthy|wrong [--tag TAG]

Prints `digest tag`. The variants are declared in variants.json. The image has no base: it runs on the local stack, whose
tasks are processes. For AWS use the Dockerfile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from perch_local.checkout import ROOT
from perch_stage.images import PushedImage, new_build, push_root

HERE = Path(__file__).resolve().parent
PACKAGES = ("bottle.py", "waitress")
ENTRYPOINT = "/app/server.py"


class PushError(Exception):
    """A message for the terminal."""


def variants() -> dict[str, dict[str, Any]]:
    """The declared variants by name."""
    declared: dict[str, dict[str, Any]] = json.loads((HERE / "variants.json").read_text())
    return declared


def packages() -> Path:
    """Where the server's packages are installed."""
    found = sorted((ROOT / ".venv-servers" / "lib").glob("python3*/site-packages"))
    if not found or not all((found[0] / name).exists() for name in PACKAGES):
        raise PushError("bottle and waitress are not in .venv-servers: run `make setup`")
    return found[0]


def assemble(root: Path, example: str, build: str, fault: dict[str, Any] | None) -> None:
    """Lay out the image's files; a healthy image has no fault.json at all."""
    place = root / "app"
    shutil.copytree(ROOT / "examples" / example / "service", place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "server.py", place)
    for name in PACKAGES:
        source = packages() / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
    # The build's name is a file of the image: two builds of the same program have different digests.
    (place / "build.json").write_text(json.dumps({"build": build, "at": time.time()}) + "\n")
    if fault:
        (place / "fault.json").write_text(json.dumps(fault) + "\n")


def push_variant(example: str, variant: str, repository: str, tag: str | None = None) -> PushedImage:
    """Push a new build of a variant; the repository is made when it is missing."""
    declared = variants()
    if variant not in declared:
        raise PushError(f"--variant: {variant} is not one of {', '.join(declared)}")
    build = new_build()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        assemble(root, example, build, declared[variant]["fault"])
        return push_root(root, repository, variant, build, (ENTRYPOINT,), tag=tag)


def main() -> int:
    """The command line."""
    rows = "\n".join(f"  {name:10} {variant['about']}" for name, variant in variants().items())
    parser = argparse.ArgumentParser(
        description="Pack one variant of an example's service as an OCI image and push it to ECR.",
        epilog=f"variants:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("example", help="the folder below examples/ whose service/ is packed")
    parser.add_argument("--variant", required=True, choices=list(variants()))
    parser.add_argument("--repository", required=True)
    parser.add_argument("--tag", help="default: v<build>-<variant>")
    options = parser.parse_args()
    try:
        image = push_variant(options.example, options.variant, options.repository, options.tag)
    except (PushError, OSError) as wrong:
        print(f"push_service: {wrong}", file=sys.stderr)
        return 1
    print(image.digest, image.tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
