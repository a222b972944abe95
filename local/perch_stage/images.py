"""Packs files as an image and pushes it to ECR through ECR's own API: no Docker, on AWS and on the local stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from perch_local import push_image


@dataclass(frozen=True)
class PushedImage:
    """One image in the registry."""

    variant: str
    build: str  # what the answers of this image call themselves
    repository: str
    tag: str
    digest: str
    image_uri: str


def new_build() -> str:
    """An id that sorts by time; milliseconds keep two pushes in a row apart."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:-3]


def repository_uri(ecr: Any, name: str) -> str:
    """The registry address of a repository, which is created when it is missing.

    The template of an image function can't create it: the function needs its image at creation, and the image needs the
    repository. Whoever pushes first makes it.
    """
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        found = ecr.create_repository(repositoryName=name)["repository"]
    return str(found["repositoryUri"])


def push_root(
    root: Path,
    repository: str,
    variant: str,
    build: str,
    entrypoint: Sequence[str],
    *,
    tag: str | None = None,
    env: dict[str, str] | None = None,
    command: Sequence[str] = (),
    workdir: str = "/",
    client: Any = None,
) -> PushedImage:
    """Push the files below `root` as one image; the same files, build and settings give the same digest."""
    ecr = client or boto3.client("ecr")
    uri, tag = repository_uri(ecr, repository), tag or f"v{build}-{variant}"
    labels = {"org.opencontainers.image.version": build, "org.opencontainers.image.title": repository}
    digest: str = push_image.push(str(root), repository, tag, tuple(entrypoint), labels, env, ecr, command, workdir)
    return PushedImage(variant, build, repository, tag, digest, f"{uri}@{digest}")
