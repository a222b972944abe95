"""The committed model is what the committed data gives."""

from pathlib import Path

import train

TRAINING = Path(train.__file__).parent


def test_training_reproduces_the_committed_model_byte_for_byte() -> None:
    assert train.model().encode() == (TRAINING / "model.json").read_bytes()


def test_heldout_headlines_are_not_in_the_training_data() -> None:
    seen = {text for _, text in train.read(TRAINING / "train.csv")}
    heldout = [text for _, text in train.read(TRAINING / "heldout.csv")]
    assert len(heldout) == len(set(heldout)) == 70
    assert not seen.intersection(heldout)


def test_every_category_has_as_many_headlines() -> None:
    for name, rows in (("train.csv", 56), ("heldout.csv", 14)):
        categories = [category for category, _ in train.read(TRAINING / name)]
        assert {c: categories.count(c) for c in categories} == dict.fromkeys(
            ["business", "culture", "science", "sport", "technology"], rows
        )


def test_cross_validation_is_above_its_bound() -> None:
    assert train.cross_validation(train.read(TRAINING / "train.csv")) > 0.80  # measured 0.8321


def test_unknown_words_say_nothing() -> None:
    priors, weights = train.fit([("a", "goal match"), ("b", "bank profit")])
    assert train.classify(priors, weights, "goal xqzzt") == "a"
    assert train.classify(priors, weights, "xqzzt") == "a"  # a tie goes to the first category
