#!/usr/bin/env python3
"""Pack one variant of the news classifier as an OCI image and push it to ECR.

    push_image.py --variant healthy|failing|slow|later-failing|unsure [--tag TAG] [--build ID] [-o json]

Prints `digest tag`. No Docker is needed: the image goes through ECR's own API, on AWS and on the local stack.
The variants are declared in variants.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perch_stage.command import StageError
from perch_stage.images import PushedImage, new_build, push_root

HERE = Path(__file__).resolve().parent
REPOSITORY = "news-classifier"
STATIC_TARGET = "x86_64-unknown-linux-musl"
BUILD_COMMAND = f"cargo build --release -p news-classifier --target {STATIC_TARGET}"
ENTRYPOINT = "/var/runtime/bootstrap"
X86_64, PROGRAM_INTERPRETER = 62, 3


class PushError(StageError):
    """A message for the terminal."""


def variants() -> dict[str, dict[str, Any]]:
    """The declared variants by name."""
    declared: dict[str, dict[str, Any]] = json.loads((HERE / "variants.json").read_text())
    return declared


def fault_of(variant: str, after_seconds: int | None = None) -> dict[str, Any] | None:
    """The variant's fault.json; `after_seconds` replaces when the fault begins."""
    declared = variants()
    if variant not in declared:
        raise PushError(f"--variant: {variant} is not one of {', '.join(declared)}")
    fault: dict[str, Any] | None = declared[variant]["fault"]
    if after_seconds is None:
        return fault
    if fault is None:
        raise PushError(f"--after-seconds: variant {variant} has no fault")
    return {**fault, "afterSeconds": after_seconds}


def built_binary() -> Path:
    """The static program if it was built, else the release program of this host."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target")
    places = [target / STATIC_TARGET / "release" / "news-classifier", target / "release" / "news-classifier"]
    for place in places:
        if place.is_file():
            return place
    raise PushError(f"no program yet; build it first: {BUILD_COMMAND}")


def is_static(binary: Path) -> bool:
    """Whether the program needs no loader and libraries; refuses what is no x86-64 program."""
    image = binary.read_bytes()
    if image[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", image, 18)[0] != X86_64:
        raise PushError(f"{binary} is not an x86-64 Linux program")
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    kinds = (struct.unpack_from("<I", image, table + i * size)[0] for i in range(count))
    return PROGRAM_INTERPRETER not in kinds


def assemble(root: Path, binary: Path, build: str, fault: dict[str, Any] | None) -> None:
    """Lay out the image's files; a healthy image has no fault.json at all."""
    program, model = root / ENTRYPOINT.lstrip("/"), root / "opt" / "model"
    program.parent.mkdir(parents=True)
    model.mkdir(parents=True)
    shutil.copyfile(binary, program)
    shutil.copyfile(HERE / "training" / "model.json", model / "model.json")
    # The build's name is a file of the image: two builds of the same program have different digests.
    (model / "build.json").write_text(json.dumps({"build": build}) + "\n")
    if fault:
        (model / "fault.json").write_text(json.dumps(fault) + "\n")
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path == program else 0o644)


def push_variant(
    variant: str,
    *,
    repository: str = REPOSITORY,
    tag: str | None = None,
    build: str | None = None,
    after_seconds: int | None = None,
    binary: Path | None = None,
    client: Any = None,
) -> PushedImage:
    """Push one build of a variant; the same program, build and variant give the same digest."""
    fault = fault_of(variant, after_seconds)
    build = build or new_build()
    binary = binary or built_binary()
    if not is_static(binary) and not os.environ.get("AWS_ENDPOINT_URL"):
        print(
            f"note: {binary.name} is not static, so only this host can run the image; for AWS: {BUILD_COMMAND}",
            file=sys.stderr,
        )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        assemble(root, binary, build, fault)
        return push_root(root, repository, variant, build, (ENTRYPOINT,), tag=tag, client=client)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    rows = "\n".join(f"  {name:14} {variant['about']}" for name, variant in variants().items())
    parser = argparse.ArgumentParser(
        description="Pack one variant of the news classifier as an OCI image and push it to ECR.",
        epilog=f"variants:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--variant", required=True, choices=list(variants()))
    parser.add_argument("--repository", default=REPOSITORY, help="created when missing; default: %(default)s")
    parser.add_argument("--tag", help="default: v<build>-<variant>")
    parser.add_argument("--build", help="name of this build; default: the time in UTC")
    parser.add_argument("--after-seconds", type=int, metavar="N", help="begin the variant's fault at this process age")
    parser.add_argument("--binary", type=Path, help="default: the program under target/")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    options = parser.parse_args(arguments)
    try:
        image = push_variant(
            options.variant,
            repository=options.repository,
            tag=options.tag,
            build=options.build,
            after_seconds=options.after_seconds,
            binary=options.binary,
        )
    except (PushError, OSError) as wrong:
        print(f"push_image: {wrong}", file=sys.stderr)
        return 1
    if options.output == "json":
        print(json.dumps({"imageUri" if k == "image_uri" else k: v for k, v in asdict(image).items()}))
    else:
        print(image.digest, image.tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
