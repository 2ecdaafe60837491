"""Ratios of times that were measured round by round, and their table. Needs no other package."""

import math
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """One row: milliseconds of its rounds, and the share of pixels, 0 to 1, that have the reference's class."""

    row: str
    milliseconds: list[float]
    agreement: float

    def median(self) -> float:
        return statistics.median(self.milliseconds)

    def ratio(self, denominator: "Figures") -> float:
        """Each round's time by the denominator's of the same round, then the median: a slow round is slow for both."""
        pairs = zip(self.milliseconds, denominator.milliseconds, strict=True)
        return statistics.median(own / other for own, other in pairs)


def disagreeing(rows: list[Figures], least: float) -> list[str]:
    """Rows that compute something else: whose agreement is below `least`, or is no number."""
    return [row.row for row in rows if not row.agreement >= least]


def table(rows: list[Figures], denominator: str) -> str:
    """Markdown: median, fastest and slowest round, ratio to the row `denominator`, agreement."""
    reference = next(row for row in rows if row.row == denominator)
    lines = ["| row | median, ms | min | max | ratio | agrees |", "|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        times = [row.median(), min(row.milliseconds), max(row.milliseconds)]
        cells = [f"`{row.row}`", *(f"{time:.1f}" for time in times), f"{row.ratio(reference):.3f}"]
        lines.append(f"| {' | '.join(cells)} | {percent(row.agreement)} |")
    return "\n".join(lines)


def percent(share: float) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{math.floor(share * 1e5) / 1e3:.3f} %" if math.isfinite(share) else "NaN"


def report(rows: list[Figures], denominator: str) -> list[dict]:
    """The same as values for JSON, with every round's time."""
    reference = next(row for row in rows if row.row == denominator)
    return [
        {
            "row": row.row,
            "median_ms": row.median(),
            "ratio": row.ratio(reference),
            "agreement": row.agreement,
            "rounds_ms": row.milliseconds,
        }
        for row in rows
    ]
