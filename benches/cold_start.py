"""Init and first invocation of every function against its Python twin, on the same stack, by turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from counting_proxy import CountingProxy
from functions import KINDS, NAMES, RUST, Functions, copy_of, packed, peak_mb, reported_peaks
from scenes import Event, Scenes
from stage import ALIAS, FUNCTION, MODELS, PACKAGES, TARGET, BenchError, Stage

# Invocations in one environment before its peak memory is read.
WORK = 20


@dataclass
class Result:
    """What was measured of one function."""

    calls: list[str] = field(default_factory=list)
    cold_ms: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    peak_mb: dict[str, float] = field(default_factory=dict)
    reported_mb: int = 0
    zip_bytes: int = 0
    deployed_bytes: int = 0


class Colds:
    """Cold starts, calls, sizes and memory of every function and its twin."""

    def __init__(self, stage: Stage, scenes: Scenes, functions: Functions) -> None:
        self.stage, self.scenes, self.functions = stage, scenes, functions
        self.results = {name: Result() for name in NAMES}

    def count_calls(self) -> None:
        """Run both through a proxy: the calls, which must be the same, as must be what they leave behind."""
        with CountingProxy(self.stage.stack.url).running() as proxy:
            for name in NAMES:
                calls, left = {}, {}
                for kind in KINDS:
                    self.functions.renew(name, kind, **self.functions.proxied(proxy.url))
                    event = self.scenes.prepare(name)
                    proxy.take()
                    self.functions.invoke(name, kind, event)
                    calls[kind], left[kind] = proxy.take(), self.left_by(event)
                first, second = (calls[kind] for kind in KINDS)
                if first != second or not first:
                    raise BenchError(f"{name} and its twin make different calls: {first}, {second}")
                first_left, second_left = (left[kind] for kind in KINDS)
                if first_left != second_left:
                    raise BenchError(f"{name} and its twin leave different states: {first_left}, {second_left}")
                self.results[name].calls = first

    def left_by(self, event: Event) -> dict[str, object]:
        """The state after a call, without what differs from call to call."""
        alias = self.stage.awslambda.get_alias(FunctionName=FUNCTION, Name=ALIAS)
        record = self.stage.table.get(f"RELEASE#{event.get('releaseId')}", "RECORD") or {}
        state: dict[str, object] = {
            "phase": record.get("phase", {}).get("name"),
            "seq": record.get("seq"),
            "verdict": (record.get("verdict") or {}).get("outcome"),
            "alias": alias["FunctionVersion"],
            "split": (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {},
        }
        for target in (TARGET, PACKAGES, MODELS):
            head = self.stage.table.get(f"TARGET#{target}", "HEAD") or {}
            state[target] = (bool(head.get("active")), head.get("exposed"), head.get("fence"), "ledger" in head)
        return state

    def measure(self, samples: int) -> None:
        """Cold starts by turns, each in an environment that did not exist before."""
        seen: set[int] = set()
        for number in range(samples):
            for name in NAMES:
                for kind in KINDS if number % 2 else reversed(KINDS):
                    self.functions.renew(name, kind)
                    sample = self.functions.invoke(name, kind, self.scenes.prepare(name))
                    if sample.pid in seen:
                        raise BenchError(f"{name} ({kind}) was not cold: process {sample.pid} served before")
                    seen.add(sample.pid)
                    self.results[name].cold_ms[kind].append(sample.ms)

    def weigh(self) -> None:
        """Sizes, and peak memory after more work in the environment that the last cold start made."""
        for name, result in self.results.items():
            for kind in KINDS:
                pids = {self.functions.invoke(name, kind, self.scenes.prepare(name)).pid for _ in range(WORK)}
                if len(pids) != 1:
                    raise BenchError(f"{name} ({kind}) did not stay in one environment")
                result.peak_mb[kind] = peak_mb(pids.pop())
            # Perch's own functions have worked in every round of the alarm, so their reports count too.
            own, copied = self.stage.names[name], copy_of(name, RUST)
            result.reported_mb = max(reported_peaks(self.stage, copied) + reported_peaks(self.stage, own))
            result.zip_bytes = len(packed(name))
            deployed = self.stage.awslambda.get_function_configuration(FunctionName=own)
            result.deployed_bytes = int(deployed["CodeSize"])
