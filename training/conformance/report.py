"""What was checked, what went wrong, and what may go wrong."""

from dataclasses import dataclass, field
from pathlib import Path

from .cases import CASES, Case
from .engines import Engine, Outputs, Task
from .golden import Golden, agreements, disagreements


@dataclass(frozen=True)
class Limit:
    """A row of `docs/compatibility.md`: what an engine does not take, and the words it says so in."""

    engine: str
    conditions: dict[str, set[str]]
    error: str

    def covers(self, engine: str, case: Case) -> bool:
        values = {name: str(getattr(case, name)) for name in self.conditions}
        return engine == self.engine and all(values[name] in wanted for name, wanted in self.conditions.items())

    def __str__(self) -> str:
        conditions = [f"{name} = {', '.join(sorted(wanted))}" for name, wanted in self.conditions.items()]
        return f"{self.engine}, {'; '.join(conditions)}"


def read_limits(path: Path) -> list[Limit]:
    """The rows of the table with the columns engine, when, error and why; `when` is `name = value, value; ...`."""
    limits, in_table = [], False
    for line in path.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if cells == ["engine", "when", "error", "why"]:
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and set(cells[0]) != {"-"}:
            pairs = [part.split("=") for part in cells[1].split(";")]
            conditions = {name.strip(): {v.strip() for v in values.split(",")} for name, values in pairs}
            limits.append(Limit(cells[0], conditions, cells[2]))
    return limits


def first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


@dataclass
class Tally:
    """What an engine made of the files that it was given."""

    engine: Engine
    agreed: int = 0
    refused: int = 0
    agreement: dict[str, float] = field(default_factory=dict)  # by precision: the least of all files

    def count(self, case: Case, agreement: float) -> None:
        self.agreed += 1
        self.agreement[case.precision] = min(agreement, self.agreement.get(case.precision, 1.0))


class Report:
    """Counts what was checked and keeps what went wrong."""

    def __init__(self, limits: list[Limit]) -> None:
        self.limits = limits
        self.met: set[int] = set()
        self.tallies: dict[str, Tally] = {}
        self.failures: list[str] = []

    def fail(self, case: Case | str, what: str) -> None:
        self.failures.append(f"{case}: {what}")
        print(f"  FAILED: {what}", flush=True)

    def engine(self, engine: Engine, case: Case, task: Task, golden: Golden) -> None:
        """Runs one engine and holds the outcome against what is listed."""
        tally = self.tallies.setdefault(engine.name, Tally(engine))
        listed = [i for i, limit in enumerate(self.limits) if limit.covers(engine.name, case)]
        self.met.update(listed)
        agreement = 0.0
        try:
            pictures = of_each_picture(engine.run(task))
            faults = [fault for picture in pictures for fault in disagreements(case, golden, picture, engine.slack)]
            found = [agreements(case, golden, picture, engine.slack) for picture in pictures]
            agreement = min(share for shares in found for share in shares.values())
        except Exception as error:
            faults = [" ".join(str(error).split()) or type(error).__name__]
        if any(self.limits[i].error in fault for i in listed for fault in faults):
            tally.refused += 1
            return
        for fault in faults:
            self.fail(case, f"{engine.name}: {fault[:300]}")
        if faults:
            return
        for i in listed:
            self.fail(case, f"{engine.name}: works, but docs/compatibility.md lists it: {self.limits[i]}")
        if not listed:
            tally.count(case, agreement)

    def finish(self, seconds: float) -> int:
        for i, limit in enumerate(self.limits):
            if limit.engine in self.tallies and i not in self.met:
                self.fail("docs/compatibility.md", f"no case tests the row {limit}")
        print(f"\n{len(CASES)} files in {seconds:.0f} s")
        for name, tally in self.tallies.items():
            print(f"  {name}: {tally.agreed} agree, {tally.refused} refused as listed")
        for failure in self.failures:
            print(f"FAILED {failure}")
        print("conformance: " + (f"{len(self.failures)} failures" if self.failures else "all good"))
        return 1 if self.failures else 0


def of_each_picture(outputs: Outputs) -> list[Outputs]:
    """Outputs of a batch, which is the first axis, as those of its pictures."""
    batch = min(len(output) for output in outputs.values())
    return [{name: output[i] for name, output in outputs.items()} for i in range(batch)]
