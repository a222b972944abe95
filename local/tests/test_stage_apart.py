"""Work beside the callers: another process does it, and its answer or error comes back."""
import os

import pytest
from perch_stage.apart import apart


def test_another_process_answers():
    assert apart(os.getpid) != os.getpid()
    assert apart(int, "ff", base=16) == 255


def test_it_has_this_environment(monkeypatch):
    monkeypatch.setenv("PERCH_TOLD", "yes")
    assert apart(os.getenv, "PERCH_TOLD") == "yes"


def test_an_error_comes_back():
    with pytest.raises(ValueError, match="invalid literal"):
        apart(int, "none")
