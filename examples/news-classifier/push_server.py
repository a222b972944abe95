#!/usr/bin/env python3
"""Pack news-server with the model that it begins with as an OCI image, and push it to ECR: push_server.py [--model v1].

Prints the image's address. No Docker is needed. On AWS the program must be static:
cargo build --release -p news-server --target x86_64-unknown-linux-musl
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from perch_stage.images import PushedImage, new_build, push_root

HERE = Path(__file__).resolve().parent
REPOSITORY, PROGRAM = "news-server", "news-server"
STATIC_TARGET = "x86_64-unknown-linux-musl"


def built_binary() -> Path:
    """The static program if it was built, else the release program of this host."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target")
    for place in (target / STATIC_TARGET / "release" / PROGRAM, target / "release" / PROGRAM):
        if place.is_file():
            return place
    raise FileNotFoundError(f"no program yet; build it first: cargo build --release -p {PROGRAM}")


def push_server(model: str = "v1", binary: Path | None = None) -> PushedImage:
    """Push one build of the model servers; the repository is made when it is missing."""
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "root" / "app"
        shutil.copytree(HERE / "models" / model, app / "model")
        shutil.copy(binary or built_binary(), app / PROGRAM)
        return push_root(app.parent, REPOSITORY, "server", new_build(), (f"/app/{PROGRAM}",))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pack news-server with a model as an OCI image and push it to ECR.")
    parser.add_argument("--model", default="v1", choices=sorted(path.name for path in (HERE / "models").iterdir()))
    try:
        print(push_server(parser.parse_args().model).image_uri)
    except OSError as wrong:
        print(f"push_server: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
