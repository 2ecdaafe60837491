"""Segments a folder or Parquet file of pictures on a Ray cluster: segment.py SOURCE -o OUT

SOURCE is a folder, whose picture files are found at any depth, or Parquet files with a name and the bytes of a picture
file in each row. OUT, like a folder of pictures, is one that all nodes see. In it appear

    masks/NAME.png      class ids as an indexed PNG in the model's colours
    results/*.parquet   a row for each picture: name, height, width, pixels of each class, error

A picture that fails has its reason in its row and stops nothing. A job that was stopped goes on where it was: what has
a row without an error is done.
"""

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lrnnet
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as parquet
import pyarrow.parquet
import ray
import ray.data

EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp"}
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("class_pixels", pa.list_(pa.int64())),
        ("error", pa.string()),
    ]
)
# Rows of one file of results: what a stop of the whole job may cost.
ROWS_PER_FILE = 64


class Worker:
    """An actor's session: one network on one device, for as long as the actor lives."""

    def __init__(self, out: str, model: str | None, device: str, threads: int | None):
        self.masks = Path(out) / "masks"
        self.segmenter = lrnnet.Segmenter(model, device, threads=threads)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        rows = [self.row(name, source) for name, source in zip(batch["name"], batch["source"], strict=True)]
        return {column: [row[column] for row in rows] for column in SCHEMA.names}

    def row(self, name: str, source: str | bytes) -> dict[str, Any]:
        row = {"name": name, "height": 0, "width": 0, "class_pixels": [], "error": ""}
        try:
            picture = lrnnet.read_picture(source)
            mask = self.segmenter.segment(picture)
            path = (self.masks / f"{name}.png").resolve()
            if not path.is_relative_to(self.masks):
                return row | {"error": "the name leads out of the folder of masks"}
            path.parent.mkdir(parents=True, exist_ok=True)
            self.segmenter.save_mask(mask, path)
        except (lrnnet.Error, OSError) as error:
            return row | {"error": str(error)}
        counts = np.bincount(mask.ravel(), minlength=len(self.segmenter.class_names))
        return row | {"height": mask.shape[0], "width": mask.shape[1], "class_pixels": counts.tolist()}


@dataclass
class Summary:
    """How a job went."""

    total: int
    skipped: int
    failures: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0
    started: float = 0.0
    first: float = 0.0
    last: float = 0.0
    # Of the rows that came first: until then actors start, and nothing can be said of speed.
    warm: int = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        self.last = time.monotonic()
        if not self.done:
            self.first, self.warm = self.last, len(rows)
        self.done += len(rows)
        self.failures += [(row["name"], row["error"]) for row in rows if row["error"]]

    def rate(self) -> float:
        """Pictures a second, from the first results to the last."""
        return (self.done - self.warm) / (self.last - self.first) if self.last > self.first else 0.0

    def __str__(self) -> str:
        speed = f", {self.rate():.1f} pictures/s" if self.rate() else ""
        return f"{self.done} of {self.total - self.skipped} pictures{speed}, {len(self.failures)} failed"


def pictures(source: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each picture in a folder, in the order of names."""
    files = (path for path in source.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    return ((path.relative_to(source).as_posix(), path) for path in sorted(files))


def finished(results: Path) -> set[str]:
    """Names of the pictures that have a row without an error."""
    if not any(results.glob("*.parquet")):
        return set()
    rows = parquet.dataset(results, schema=SCHEMA).to_table(columns=["name"], filter=parquet.field("error") == "")
    return set(rows["name"].to_pylist())


def open_source(args: argparse.Namespace, skip: set[str]) -> tuple[ray.data.Dataset, int, int]:
    """The pictures that are left to do, how many there are in all, and how many of these are done."""
    if args.source.is_dir() and not any(args.source.glob("*.parquet")):
        found = list(pictures(args.source))
        rows = [{"name": name, "source": str(path)} for name, path in found if name not in skip]
        # Blocks of a batch each, so that no actor waits for another's.
        blocks = max(1, -(-len(rows) // args.batch))
        return ray.data.from_items(rows, override_num_blocks=blocks), len(found), len(found) - len(rows)
    columns = {args.name_column: "name", args.picture_column: "source"}
    data = ray.data.read_parquet(str(args.source)).select_columns(list(columns)).rename_columns(columns)
    names = {row["name"] for row in data.select_columns("name").iter_rows()}
    done = skip & names
    return data.map_batches(without, fn_args=(sorted(done),), batch_format="pyarrow"), len(names), len(done)


def without(rows: pa.Table, names: list[str]) -> pa.Table:
    """The rows whose name is none of these."""
    return rows.filter(pc.invert(pc.is_in(rows["name"], pa.array(names, pa.string()))))


def run(args: argparse.Namespace) -> Summary:
    """Segments what is left to do, and says how it goes."""
    results = args.out / "results"
    results.mkdir(parents=True, exist_ok=True)
    data, total, skipped = open_source(args, finished(results))
    summary = Summary(total, skipped, started=time.monotonic())
    if skipped:
        say(f"{skipped} of {total} pictures are done already")
    if skipped == total:
        return summary
    gpu = args.device.startswith(("cuda", "tensorrt"))
    rows = data.map_batches(
        Worker,
        fn_constructor_args=(str(args.out.resolve()), args.model, args.device, args.threads),
        batch_size=args.batch,
        compute=ray.data.ActorPoolStrategy(size=args.actors),
        num_cpus=args.threads or 1,
        num_gpus=1 if gpu else 0,
    )
    for chunk in chunks(rows.iter_batches(batch_size=None, batch_format="pyarrow"), summary):
        write(results, chunk)
    return summary


def chunks(batches: Iterable[pa.Table], summary: Summary) -> Iterator[list[dict[str, Any]]]:
    """Rows for a file each; says every two seconds how far the job is."""
    rows: list[dict[str, Any]] = []
    told = time.monotonic()
    for batch in batches:
        fresh = batch.to_pylist()
        summary.add(fresh)
        rows += fresh
        if time.monotonic() - told > 2:
            say(str(summary))
            told = time.monotonic()
        if len(rows) >= ROWS_PER_FILE:
            yield rows
            rows = []
    if rows:
        yield rows


def write(results: Path, rows: list[dict[str, Any]]) -> None:
    """Adds a file of rows, whole or not at all."""
    name = uuid.uuid4().hex
    part = results / f".{name}.part"
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), part)
    os.replace(part, results / f"{name}.parquet")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of pictures, or Parquet file or folder")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the results, which all nodes see")
    parser.add_argument("-m", "--model", help="file of lrnnet-export, by default the built-in model")
    parser.add_argument("--device", default="auto", help="auto, cpu, tract, cuda, tensorrt (a GPU for each actor)")
    parser.add_argument("--actors", type=int, default=1, help="networks at work at the same time")
    parser.add_argument("--threads", type=int, default=1, help="CPUs of each actor")
    parser.add_argument("--batch", type=int, default=8, help="pictures that an actor is given at a time")
    parser.add_argument("--name-column", default="name", help="of a Parquet source")
    parser.add_argument("--picture-column", default="image", help="of a Parquet source: the bytes of a picture file")
    parser.add_argument("--address", help="of a running cluster; by default RAY_ADDRESS, else this machine")
    args = parser.parse_args(words)
    args.source, args.out = args.source.resolve(), args.out.resolve()
    args.model = args.model and str(Path(args.model).resolve())
    return args


def main() -> int:
    args = parse()
    ray.init(address=args.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = sys.stderr.isatty()
    summary = run(args)
    for name, error in summary.failures:
        say(f"failed: {name}: {error}")
    say(str(summary))
    return 1 if summary.failures else 0


if __name__ == "__main__":
    sys.exit(main())
