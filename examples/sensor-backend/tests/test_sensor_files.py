"""The function that reads uploaded files: what it takes apart, and what it refuses."""

import importlib.util

import demo
import pytest


@pytest.fixture
def read_file(monkeypatch):
    """The function's module, as Lambda loads it."""
    monkeypatch.setenv("BACKEND", "http://backend.example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    spec = importlib.util.spec_from_file_location("read_file", demo.HERE / "function" / "read_file.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_is_put_together_by_sensor(read_file):
    assert read_file.batches("a,1\nb,2.5\na,3\n") == {"a": [1.0, 3.0], "b": [2.5]}
    assert read_file.batches("") == {}


@pytest.mark.parametrize("line", ["a", "a,1,2", "a,warm", ",,"])
def test_a_line_that_is_no_reading_is_named(read_file, line):
    with pytest.raises(ValueError, match="line 2 is not `sensor,value`"):
        read_file.batches(f"a,1\n{line}\n")
