"""What the callers ask."""

from callers import asked_again, headlines


def test_headlines_are_the_heldout_ones() -> None:
    assert len(headlines()) == 70


def test_one_of_four_headlines_is_asked_again_and_every_other_is_new() -> None:
    texts = [next(asked) for asked in [asked_again(headlines())] for _ in range(560)]
    again = [text for text in texts if "(" not in text]
    assert sorted(again) == sorted(headlines() * 2)
    fresh = [text for text in texts if "(" in text]
    assert len(fresh) == len(set(fresh)) == 420
    assert sorted(text.partition(" (")[0] for text in fresh) == sorted(headlines() * 6)
