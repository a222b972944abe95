"""The stage of the demo's acts: a stack with the function, the model servers and callers of one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from perch_local.checkout import Stack
from perch_stage.load import LoadGenerator
from perch_stage.stage import Stage
from rich.console import Console

import install
import serving
from callers import alias_invoke, asked_again, front_invoke, headlines
from replicas import Fleet, Places

TARGET = "news-classifier"
RATE, FRONT_RATE = 40.0, 200.0


class NewsStage(Stage):
    """A stage with model servers."""

    fleet: Fleet


def call_alias(_: Fleet) -> tuple[LoadGenerator, str]:
    """Callers of the function."""
    load = LoadGenerator(alias_invoke(), headlines(), rate=RATE)
    return load, f"Callers send {RATE:.0f} requests per second to {TARGET}:live."


def call_front(fleet: Fleet) -> tuple[LoadGenerator, str]:
    """Callers of the model servers."""
    load = LoadGenerator(front_invoke(fleet.front), asked_again(headlines()), rate=FRONT_RATE)
    return load, (
        f"Callers send {FRONT_RATE:.0f} requests per second to {len(fleet.replicas)} model servers; "
        "one of four repeats a headline, and the cache in front may have its answer."
    )


@contextlib.contextmanager
def _opened(
    stack: Stack, console: Console, callers: Callable[[Fleet], tuple[LoadGenerator, str]]
) -> Iterator[NewsStage]:
    stage = NewsStage(stack, console, TARGET)
    with stage.up():
        install.install(stack)
        with Fleet(Places.free()) as stage.fleet:
            # A service has callers before it has Perch: they call while that is deployed.
            load, calls = callers(stage.fleet)
            with stage.called(load):
                stage.install_perch()
                serving.make_bucket()
                serving.apply_target(stack, stage.fleet.replicas, stage.fleet.redis.url)
                stage.ready(calls)
                yield stage


def function_called(stack: Stack, console: Console) -> contextlib.AbstractContextManager[NewsStage]:
    """The stage while callers use the function."""
    return _opened(stack, console, call_alias)


def servers_called(stack: Stack, console: Console) -> contextlib.AbstractContextManager[NewsStage]:
    """The stage while callers use the model servers."""
    return _opened(stack, console, call_front)
