"""The model versions of the demo: each is what the data gives, and right or wrong in its own way."""

import json

import pytest
import train
import versions

HELDOUT = train.read(train.HERE / "heldout.csv")


@pytest.fixture(scope="module")
def exported() -> dict[str, versions.Fitted]:
    return {version: exported for version, (exported, _) in versions.versions().items()}


def golden_failures(fitted: versions.Fitted) -> list[str]:
    return [name for name, text, category in versions.GOLDEN if versions.answer(fitted, text)[0] != category]


def test_training_reproduces_every_committed_file_byte_for_byte() -> None:
    made = versions.files()
    assert {path: (versions.MODELS / path).read_bytes() for path in made} == {p: t.encode() for p, t in made.items()}
    committed = {str(path.relative_to(versions.MODELS)) for path in versions.MODELS.rglob("*.json")}
    assert committed == set(made)


def test_files_stay_small() -> None:
    assert all(len(text) < 200_000 for text in versions.files().values())


def test_second_model_is_better_than_the_first_and_as_sure(exported: dict[str, versions.Fitted]) -> None:
    first, second = (versions.measured(exported[version], HELDOUT) for version in ("v1", "v2"))
    assert first["accuracy"] + 0.1 < second["accuracy"]
    assert second["lowConfidence"] <= first["lowConfidence"]


def test_golden_requests_show_the_swapped_names_and_nothing_else(exported: dict[str, versions.Fitted]) -> None:
    assert golden_failures(exported["v3"]) == ["bank results", "market", "cup final", "title race"]
    for version in ("v1", "v2", "v4"):
        assert golden_failures(exported[version]) == [], version


def test_only_confidence_shows_the_shrunk_weights(exported: dict[str, versions.Fitted]) -> None:
    second, shrunk = (versions.measured(exported[version], HELDOUT) for version in ("v2", "v4"))
    assert shrunk["lowConfidence"] > 0.75 > 0.15 > second["lowConfidence"]


def test_broken_exports_carry_the_figures_of_before_the_export() -> None:
    files = versions.files()
    for version in ("v3", "v4"):
        assert files[f"{version}/metrics.json"] == files["v2/metrics.json"]
        assert files[f"{version}/model.json"] != files["v2/model.json"]


def test_golden_headlines_are_in_no_data_file() -> None:
    known = {text for name in ("train.csv", "heldout.csv") for _, text in train.read(train.HERE / name)}
    golden = json.loads(versions.files()["v2/golden.json"])
    assert len(golden) == len(versions.GOLDEN) == 10
    assert not known.intersection(case["input"]["text"] for case in golden)
