"""How an act ended, and the table of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perch_local.checkout import ROOT
from rich.console import Console
from rich.table import Table

LEGEND = (
    "Decided in: from the first canary request to the promotion, or from the first harmed request to the baseline "
    "alone.\nHarmed: failed, unanswered or slower than 300 ms, of all requests of the act."
)


@dataclass(frozen=True)
class Result:
    """How an act ended."""

    number: int
    release: dict[str, Any]
    artifact: str
    phase: str
    reason: str  # what the decision has to name
    seconds: float
    harm: str
    missed: list[str] = field(default_factory=list)  # what else was not as it should be

    @property
    def why(self) -> str:
        """What decided: the look before the promotion, or the reasons of the rollback."""
        journal = self.release["journal"]
        if self.release["phase"] == "Promoted":
            looks = [e["cause"] for e in journal if e["what"] == "BakeJudged"]
            return next((look for look in reversed(looks) if "watch" not in look), "")
        if reasons := (self.release["verdict"] or {}).get("reasons"):
            return "; ".join(reasons)
        back = ("RollbackDecided", "ReleaseRolledBack", "ReleaseRejected")
        return next((e["cause"] for e in journal if e["what"] in back), "")

    @property
    def as_expected(self) -> bool:
        """Whether it ended in the right phase, for the right reason, and nothing else was wrong."""
        return self.release["phase"] == self.phase and self.reason in self.why and not self.missed


def table(results: Iterable[Result]) -> Table:
    """One row for each act."""
    shown = Table(title="What happened", title_justify="left", title_style="bold")
    shown.add_column("act")
    shown.add_column("release and artifact", width=40, overflow="fold")
    for name in ("ended", "why"):
        shown.add_column(name, overflow="fold")
    for name in ("decided in", "harmed"):
        shown.add_column(name, justify="right", no_wrap=True)
    for result in results:
        style = "green" if result.as_expected else "red"
        shown.add_row(
            str(result.number),
            f"{result.release['id']}\n[dim]{result.artifact}[/]",
            f"[{style}]{result.release['phase']}[/]",
            result.why,
            f"{result.seconds:.1f} s",
            result.harm,
        )
    return shown


@dataclass
class Played:
    """How the acts of a part ended, the pages with their evidence, and what broke the part off."""

    results: list[Result] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    wrong: str | None = None


def verdict(played: Sequence[Played]) -> list[str]:
    """What was not as it should be, for the last lines of a demo; nothing when all was."""
    broken = [part.wrong for part in played if part.wrong]
    others = [result for part in played for result in part.results if not result.as_expected]
    return broken + [f"act {result.number} did not end as it should" for result in others]


def say_end(console: Console, played: Sequence[Played], seconds: float) -> None:
    """The table, what its columns mean, and where the evidence is."""
    results = [result for part in played for result in part.results]
    Console(width=max(120, console.width)).print(table(results))
    console.print(f"{LEGEND} Whole demo: {seconds:.0f} s.\n", highlight=False)
    console.print("The evidence of each release, as a page to open in a browser:")
    for page in (page for part in played for page in part.reports):
        console.print(f"  {page.relative_to(ROOT)}", highlight=False)
    console.print()
