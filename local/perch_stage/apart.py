"""Work beside the callers: they are threads of this process, and what keeps it busy is slow for them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def apart(call: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
    """The answer of a function that another process calls, which finds it by its name."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(partial(call, *arguments, **named)).result()
