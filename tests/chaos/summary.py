"""The summary of a run: what was played, how it ended, what was injected, and what callers saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


from rich.console import Console
from rich.table import Table

from checks import error_of, lost
from evidence import Broken, Evidence
from play import Played
from perch_stage.load import Snapshot


COLUMNS = ("releases", "as told", "step gave up", "too late", "otherwise")


@dataclass
class Run:
    """Everything the summary tells."""

    seed: int
    seconds: float
    evidence: Evidence
    broken: list[Broken]
    callers: dict[str, Snapshot]
    # (target, version) of the versions that are meant to fail or to be slow.
    bad_versions: set[tuple[str, str]]
    redriven: int
    # Seconds between two looks at the traffic, at most; 0 where Perch moves it and its calls show it.
    gap: float
    command: str


def show(run: Run, console: Console) -> None:
    """Print the summary."""
    console.print(stories_table(run))
    console.print(faults_table(run))
    for why, count in gave_up(run).most_common():
        console.print(f"gave up {count} times: {why}", highlight=False)
    for name, value in figures(run).items():
        console.print(f"{name + ':':34} {value}", highlight=False)
    for broken in run.broken:
        console.print(f"[red]{broken.promise}[/] {broken.what}: {broken.why}", highlight=False)
    if run.broken:
        console.print(f"again: {run.command}", highlight=False)


def stories_table(run: Run) -> Table:
    """Releases by story and end."""
    shown = Table(title=f"Releases under faults, seed {run.seed}", title_justify="left")
    shown.add_column("story")
    shown.add_column("has to end", overflow="fold")
    for name in COLUMNS:
        shown.add_column(name, justify="right")
    rows: dict[tuple[str, str], Counter[str]] = {}
    for played in run.evidence.played:
        row = rows.setdefault((played.story.name, str(played.expected or "no release")), Counter())
        row["releases"] += 1
        row[column(played)] += 1
    total = sum(rows.values(), Counter())
    for (story, end), row in [*sorted(rows.items()), (("all", ""), total)]:
        shown.add_row(story, end, *(str(row[name]) for name in COLUMNS))
    return shown


def column(played: Played) -> str:
    """How a release ended, against its story."""
    return "as told" if played.as_told else "step gave up" if played.gave_up else "too late" if played.late else "otherwise"


def gave_up(run: Run) -> Counter[str]:
    """The errors for which steps gave up."""
    records = run.evidence.state.releases
    return Counter(error_of(records[played.release]) for played in run.evidence.played if played.gave_up)


def faults_table(run: Run) -> Table:
    """Injected faults by where and what."""
    shown = Table(title="Faults injected", title_justify="left")
    shown.add_column("where")
    shown.add_column("what")
    shown.add_column("count", justify="right")
    counts = Counter((fault["site"], fault["kind"]) for fault in run.evidence.faults)
    for (site, kind), count in sorted(counts.items()):
        shown.add_row(site, kind, str(count))
    shown.add_row("all", "", str(sum(counts.values())))
    return shown


def harm(run: Run) -> dict[str, int]:
    """What callers got, apart for versions that are meant to be bad."""
    found: Counter[str] = Counter()
    for target, snapshot in run.callers.items():
        for version, counts in snapshot.versions.items():
            found["requests"] += counts.requests
            found["no answer"] += counts.transport_errors
            bad = (target, version) in run.bad_versions
            found["errors of bad canaries" if bad else "errors of good versions"] += counts.function_errors
    return found


def figures(run: Run) -> dict[str, str]:
    """The single figures of a run."""
    entries = sum(map(len, run.evidence.state.journal.values()))
    repeated = sum(count - 1 for count in run.evidence.told.values())
    calls, seen = run.evidence.calls, harm(run)
    errors = seen["errors of bad canaries"] + seen["errors of good versions"] + seen["no answer"]
    return {
        "journal entries": f"{entries}; {len(run.evidence.told)} told, {repeated} told again, {len(lost(run.evidence))} lost",
        "doubled effects": str(sum(broken.promise == "P8" for broken in run.broken)),
        "dead letters redriven": str(run.redriven),
        "AWS calls of functions": f"{len(calls)}, {sum(call['fault'] is not None for call in calls)} of them with a fault",
        "callers' requests": f"{seen['requests']}, {100 * errors / max(1, seen['requests']):.2f} % failed: "
        f"{seen['errors of bad canaries']} by canaries made to fail, {seen['errors of good versions']} by good versions, "
        f"{seen['no answer']} without an answer",
        **({"looks at the traffic": f"at most {run.gap:.1f} s apart"} if run.gap else {}),
        "slowest releases": "; ".join(
            f"{played.seconds:.0f} s {played.release} ({played.story.name})"
            for played in sorted(run.evidence.played, key=lambda played: -played.seconds)[:3]
        ),
        "wall time": f"{run.seconds:.0f} s",
        "promises broken": str(len(run.broken)),
    }
