"""The drivers that a run can have."""

from __future__ import annotations

from account import ChaosError
from functions import Alias, CodeDeployAlias
from movers import CodeDeployService, NativeService
from targets import Driver

DRIVERS: dict[str, type[Driver]] = {driver.name: driver for driver in (Alias, CodeDeployAlias, CodeDeployService, NativeService)}


def driver_named(name: str) -> Driver:
    """The driver of this name."""
    if name not in DRIVERS:
        raise ChaosError(f"--driver {name}: not one of {', '.join(DRIVERS)}")
    return DRIVERS[name]()
