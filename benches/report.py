"""Tables of the results, for the terminal and for docs/performance.md."""

from __future__ import annotations

import math
import pathlib
import re
import statistics
from typing import Any

import alarm_to_safety
import cold_start
from functions import PYTHON, RUST
from stage import BenchError

ZIP_AIM_MB, MEMORY_AIM_MB, CALLS_AIM = 5.0, 64.0, 3
SAFE = "Lambda.UpdateAlias"
# A load average above this share of the cores means that programs waited for a core.
BUSY = 0.6


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rounded(value: float) -> float:
    """Tenths are more than the measurement carries."""
    return round(value, 1)


def figures(
    machine: dict[str, Any], alarm: alarm_to_safety.Result, functions: dict[str, cold_start.Result]
) -> dict[str, Any]:
    """Every figure that the tables show."""
    calls = functions["on-alarm"].calls
    safe = calls.index(SAFE) + 1
    return {
        "machine": machine,
        "alarmToSafety": {
            "rounds": len(alarm.ms[RUST]),
            **{
                kind: {
                    "medianMs": rounded(statistics.median(alarm.ms[kind])),
                    "p99Ms": rounded(quantile(alarm.ms[kind], 0.99)),
                    "worstMs": rounded(max(alarm.ms[kind])),
                }
                for kind in alarm.ms
            },
            "ratio": round(statistics.median(alarm.ms[PYTHON]) / statistics.median(alarm.ms[RUST]), 2),
            "putEventsMs": rounded(statistics.median(alarm.accepted_ms)),
            "inFunctionMs": rounded(statistics.median(alarm.in_function_ms)),
            "pollMs": {
                "median": rounded(statistics.median(alarm.poll_ms)),
                "p99": rounded(quantile(alarm.poll_ms, 0.99)),
            },
            "callsUntilSafe": calls[:safe],
            "callsAfter": calls[safe:],
        },
        "functions": {name: function_figures(result) for name, result in functions.items()},
    }


def function_figures(result: cold_start.Result) -> dict[str, Any]:
    """The figures of one function."""
    cold = {kind: statistics.median(values) for kind, values in result.cold_ms.items()}
    return {
        "zipMB": round(result.zip_bytes / 1e6, 2),
        "zipMiB": round(result.zip_bytes / 2**20, 2),
        "deployedMB": round(result.deployed_bytes / 1e6, 2),
        "peakMiB": rounded(result.peak_mb[RUST]),
        "reportedMiB": result.reported_mb,
        "twinPeakMiB": rounded(result.peak_mb[PYTHON]),
        "samples": len(result.cold_ms[RUST]),
        "coldMs": {kind: rounded(value) for kind, value in cold.items()},
        "coldP90Ms": {kind: rounded(quantile(values, 0.9)) for kind, values in result.cold_ms.items()},
        "ratio": round(cold[PYTHON] / cold[RUST], 1),
        "calls": result.calls,
    }


def table(head: list[str], rows: list[list[Any]], right: int = 1) -> str:
    """A Markdown table, whose columns from `right` on are figures; it reads well in a terminal too."""
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]

    def line(row: list[str]) -> str:
        padded = (
            cell.rjust(width) if place >= right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (width - 1) + ":") if place >= right else "-" * width for place, width in enumerate(widths)]
    return "\n".join([line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])])


def verdict(what: str, missed: list[str]) -> str:
    """An aim, met or missed by whom."""
    return f"{what}: **{'missed by ' + ', '.join(missed) if missed else 'met'}**."


def blocks(found: dict[str, Any]) -> dict[str, str]:
    """The text between each pair of markers in docs/performance.md."""
    return {
        "machine": machine_block(found["machine"]),
        "alarm": alarm_block(found["alarmToSafety"]),
        "size": size_block(found["functions"]),
        "cold": cold_block(found["functions"]),
        "calls": calls_block(found["functions"]),
    }


def machine_block(machine: dict[str, Any]) -> str:
    """What it was measured on."""
    rows = [
        ["Cores", f"{machine['cores']} ({machine['processor']})"],
        ["Memory", f"{machine['memoryGiB']} GiB"],
        ["Kernel", machine["kernel"]],
        ["Python, boto3", f"{machine['python']}, {machine['boto3']}"],
        ["Emulator", f"ministack {machine['ministack']} with Perch's overlay"],
        ["Load average before", f"{machine['loadBefore']:.1f}"],
    ]
    text = table(["Machine", ""], rows, right=2)
    if machine["loadBefore"] > machine["cores"] * BUSY:
        text += (
            "\n\nOther programs kept the cores busy during this run: every p99 is too high, and so is each ratio of "
            "cold starts, since a long start is interrupted more often than a short one."
        )
    return text


def alarm_block(alarm: dict[str, Any]) -> str:
    """Alarm to safety."""
    names = {RUST: "`on-alarm`", PYTHON: "Python twin"}
    rows = [[names[kind], *(alarm[kind][key] for key in ("medianMs", "p99Ms", "worstMs"))] for kind in names]
    until, after = alarm["callsUntilSafe"], alarm["callsAfter"]
    missed = ["on-alarm"] if len(until) > CALLS_AIM else []
    return "\n".join(
        [
            table(["PutEvents to alias at 100 % baseline, ms", "median", "p99", "worst"], rows),
            "",
            f"{alarm['rounds']} rounds of each, by turns. Python's median is {alarm['ratio']} times the function's. "
            f"PutEvents takes {alarm['putEventsMs']} ms until it answers; the handler runs for "
            f"{alarm['inFunctionMs']} ms, all of its calls included (medians). Polls answered every "
            f"{alarm['pollMs']['median']} ms (median; p99 {alarm['pollMs']['p99']} ms): that is the resolution.",
            "",
            f"Calls until traffic is safe: {len(until)} ({', '.join(until)}). Calls after: {len(after)} "
            f"({', '.join(after)}). " + verdict(f"Aim of at most {CALLS_AIM} calls", missed),
        ]
    )


def size_block(functions: dict[str, Any]) -> str:
    """Sizes and memory."""
    head = ["Function", "zip, MB", "as deployed, MB", "peak, MiB", "reported, MiB", "Python twin's peak, MiB"]
    keys = ("zipMB", "deployedMB", "peakMiB", "reportedMiB", "twinPeakMiB")
    rows = [[f"`{name}`", *(each[key] for key in keys)] for name, each in functions.items()]
    big = [
        f"`{name}` ({each['zipMB']} MB; {each['zipMiB']} MiB)"
        for name, each in functions.items()
        if max(each["zipMB"], each["deployedMB"]) > ZIP_AIM_MB
    ]
    heavy = [
        f"`{name}` ({max(each['peakMiB'], each['reportedMiB'])} MiB)"
        for name, each in functions.items()
        if max(each["peakMiB"], each["reportedMiB"]) > MEMORY_AIM_MB
    ]
    aims = [
        verdict(f"Aim of at most {ZIP_AIM_MB:.0f} MB (of 10^6 bytes) a zip", big),
        verdict(f"Aim of at most {MEMORY_AIM_MB:.0f} MB of memory", heavy),
    ]
    return "\n".join([table(head, rows), "", " ".join(aims)])


def cold_block(functions: dict[str, Any]) -> str:
    """Cold starts."""
    head = ["Function", "calls", "Rust, ms", "Rust p90", "Python, ms", "Python p90", "Python / Rust"]
    rows = [
        [
            f"`{name}`",
            len(each["calls"]),
            each["coldMs"][RUST],
            each["coldP90Ms"][RUST],
            each["coldMs"][PYTHON],
            each["coldP90Ms"][PYTHON],
            each["ratio"],
        ]
        for name, each in functions.items()
    ]
    ratios = [each["ratio"] for each in functions.values()]
    samples = min(each["samples"] for each in functions.values())
    text = (
        f"Medians of {samples} cold starts of each. Python takes {min(ratios)} to {max(ratios)} times as long; "
        f"{statistics.geometric_mean(ratios):.1f} times in the geometric mean."
    )
    return "\n".join([table(head, rows), "", text])


def calls_block(functions: dict[str, Any]) -> str:
    """The calls that were counted."""
    rows = [[f"`{name}`", ", ".join(each["calls"])] for name, each in functions.items()]
    return table(["Function", "AWS calls of the measured event, in order"], rows, right=2)


def write(document: pathlib.Path, found: dict[str, str]) -> None:
    """Replace what is between the markers."""
    text = document.read_text()
    for name, block in found.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(\n<!-- /bench:{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise BenchError(f"{document.name} has no markers for {name}")
        text = pattern.sub(lambda match, block=block: match.group(1) + block + match.group(2), text)
    document.write_text(text)
