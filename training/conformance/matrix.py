"""The table of engines in `docs/compatibility.md`: written by a run, and held against later ones."""

from collections.abc import Iterator
from pathlib import Path

from .report import Tally

BEGIN, END = "<!-- engines -->", "<!-- end of engines -->"
HEAD = ["engine", "version", "takes", "agree", "refused", "float32, %", "float16, %", "int8, %"]
PRECISIONS = ["fp32", "fp16", "int8"]
FIRST_FIGURE = len(HEAD) - len(PRECISIONS)


def row(tally: Tally) -> list[str]:
    # Rounded down, so that only full agreement is 100 %.
    shares = [tally.agreement.get(precision) for precision in PRECISIONS]
    figures = ["" if share is None else f"{int(share * 1e5) / 1e3:.3f}" for share in shares]
    engine = tally.engine
    return [engine.name, engine.version, engine.takes, str(tally.agreed), str(tally.refused), *figures]


def read(path: Path) -> list[list[str]]:
    """The rows between the marks."""
    between = path.read_text().partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in between.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def faults(path: Path, tallies: dict[str, Tally]) -> Iterator[str]:
    """Engines of which the table says something else; figures are another CPU's matter, but for their being there."""
    table = {cells[0]: cells for cells in read(path)}
    for name, tally in tallies.items():
        found = row(tally)
        listed = table.get(name, [""] * len(HEAD))
        same = found[:FIRST_FIGURE] == listed[:FIRST_FIGURE]
        if not same or list(map(bool, found)) != list(map(bool, listed)):
            yield f"the table of engines says {listed}; found {found} (--write writes it)"


def write(path: Path, tallies: dict[str, Tally]) -> None:
    """Puts what was found into the table; engines that did not run keep their rows."""
    rows = {cells[0]: cells for cells in read(path)} | {name: row(tally) for name, tally in tallies.items()}
    before, _, rest = path.read_text().partition(BEGIN)
    lines = [HEAD, ["---"] * 3 + ["--:"] * (len(HEAD) - 3), *rows.values()]
    table = "\n".join(f"| {' | '.join(cells)} |".replace("  ", " ") for cells in lines)
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")
