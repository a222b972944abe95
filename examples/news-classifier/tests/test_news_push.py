"""What a pushed image holds, against a registry in memory."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from perch_local import oci

import push_image


class _Missing(Exception):
    """RepositoryNotFoundException of the real client."""


class _Never(Exception):
    """An error this registry does not raise."""


class Registry:
    """The ECR calls of a push, kept in memory."""

    class exceptions:
        RepositoryNotFoundException = _Missing
        LayerAlreadyExistsException = _Never
        ImageAlreadyExistsException = _Never

    def __init__(self) -> None:
        self.repositories: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.images: dict[str, str] = {}

    def describe_repositories(self, repositoryNames: list[str]) -> dict[str, Any]:
        if repositoryNames[0] not in self.repositories:
            raise _Missing
        return {"repositories": [{"repositoryUri": f"registry/{repositoryNames[0]}"}]}

    def create_repository(self, repositoryName: str) -> dict[str, Any]:
        self.repositories.append(repositoryName)
        return {"repository": {"repositoryUri": f"registry/{repositoryName}"}}

    def initiate_layer_upload(self, repositoryName: str) -> dict[str, Any]:
        self.upload = b""
        return {"uploadId": "u"}

    def upload_layer_part(self, layerPartBlob: bytes, **_: Any) -> None:
        self.upload += layerPartBlob

    def complete_layer_upload(self, layerDigests: list[str], **_: Any) -> None:
        assert oci.digest(self.upload) == layerDigests[0]
        self.blobs[layerDigests[0]] = self.upload

    def put_image(self, imageManifest: str, imageTag: str, **_: Any) -> dict[str, Any]:
        self.images[imageTag] = imageManifest
        return {"image": {"imageId": {"imageDigest": oci.digest(imageManifest.encode())}}}


def elf(machine: int = 62, segment: int = 1) -> bytes:
    """A 64-bit ELF header with one program header."""
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    return head + struct.pack("<I", segment) + bytes(52)


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "news-classifier"
    path.write_bytes(elf())
    return path


def unpacked(registry: Registry, tag: str, root: Path) -> dict[str, Path]:
    manifest = json.loads(registry.images[tag])
    oci.apply_layer(str(root), registry.blobs[manifest["layers"][0]["digest"]])
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


def test_healthy_image_holds_program_model_and_build(binary: Path, tmp_path: Path) -> None:
    registry = Registry()
    image = push_image.push_variant("healthy", build="7", binary=binary, client=registry)
    files = unpacked(registry, "v7-healthy", tmp_path / "root")
    assert sorted(files) == ["opt/model/build.json", "opt/model/model.json", "var/runtime/bootstrap"]
    assert files["var/runtime/bootstrap"].stat().st_mode & 0o777 == 0o755
    assert json.loads(files["opt/model/build.json"].read_text()) == {"build": "7"}
    assert files["opt/model/model.json"].read_bytes() == (push_image.HERE / "training/model.json").read_bytes()
    assert image.image_uri == f"registry/news-classifier@{image.digest}"


@pytest.mark.parametrize("variant", ["failing", "slow", "later-failing", "unsure"])
def test_broken_image_holds_its_declared_fault(variant: str, binary: Path, tmp_path: Path) -> None:
    registry = Registry()
    push_image.push_variant(variant, tag="t", binary=binary, client=registry)
    fault = json.loads(unpacked(registry, "t", tmp_path / "root")["opt/model/fault.json"].read_text())
    assert fault == push_image.variants()[variant]["fault"]


def test_config_names_the_entrypoint_and_the_build(binary: Path) -> None:
    registry = Registry()
    push_image.push_variant("healthy", build="7", binary=binary, client=registry)
    config = json.loads(registry.blobs[json.loads(registry.images["v7-healthy"])["config"]["digest"]])
    assert config["config"]["Entrypoint"] == ["/var/runtime/bootstrap"]
    assert config["config"]["Labels"]["org.opencontainers.image.version"] == "7"


def test_same_build_has_the_same_digest_and_another_build_another(binary: Path) -> None:
    def digest(build: str) -> str:
        return push_image.push_variant("healthy", build=build, tag="t", binary=binary, client=Registry()).digest

    assert digest("7") == digest("7") != digest("8")


def test_repository_is_made_once(binary: Path) -> None:
    registry = Registry()
    for _ in range(2):
        push_image.push_variant("healthy", binary=binary, client=registry)
    assert registry.repositories == ["news-classifier"]


def test_start_of_a_fault_can_be_moved() -> None:
    assert push_image.fault_of("later-failing", 20) == {"kind": "errors", "rate": 0.7, "afterSeconds": 20}
    with pytest.raises(push_image.PushError, match="--after-seconds: variant healthy has no fault"):
        push_image.fault_of("healthy", 20)


def test_static_programs_are_told_from_dynamic_ones_and_from_others(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(elf())
    assert push_image.is_static(path)
    path.write_bytes(elf(segment=push_image.PROGRAM_INTERPRETER))
    assert not push_image.is_static(path)
    for other in (elf(machine=183), b"#!/bin/sh\n"):
        path.write_bytes(other)
        with pytest.raises(push_image.PushError, match="is not an x86-64 Linux program"):
            push_image.is_static(path)


def test_missing_program_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path))
    with pytest.raises(push_image.PushError, match="cargo build --release -p news-classifier"):
        push_image.built_binary()


def test_documented_rust_is_what_the_service_runs() -> None:
    def words(text: str) -> str:
        return " ".join(text.split())

    call_site = (push_image.HERE.parents[1] / "docs" / "metrics.md").read_text().split("```rust\n")[1].split("```")[0]
    assert words(call_site) in words((push_image.HERE / "service/src/main.rs").read_text())


def test_build_ids_sort_by_time() -> None:
    first = push_image.new_build()
    assert len(first) == 17 and first <= push_image.new_build()
