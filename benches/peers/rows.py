"""What can be measured: an engine, and a file for it. Needs no other package."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ENGINES = {
    "ort": "ONNX Runtime through Python, on the CPU",
    "openvino": "OpenVINO through Python, in float32",
    "openvino-bf16": "the same in bfloat16, which needs AVX512-BF16 or AMX",
    "run": "lrnnet-run bench, ONNX Runtime: from decoded picture to mask",
    "run-tract": "the same with tract",
}
HEADS = ("class-map", "logits-8")
TORCH = "torch"
DENOMINATOR = "ort:torch"


class RowError(ValueError):
    """A word that names no row."""


@dataclass(frozen=True)
class Row:
    """`ENGINE:FILE`: the file is `torch`, a form of `lrnnet-export` (with `/logits-8` for that head), or a path."""

    engine: str
    file: str
    head: str | None  # of files that are made here

    @classmethod
    def parse(cls, text: str) -> "Row":
        engine, _, file = text.partition(":")
        if engine not in ENGINES or not file:
            raise RowError(f"no row {text!r}; expected ENGINE:FILE with an engine of {', '.join(ENGINES)}")
        if file.endswith(".onnx"):
            return cls(engine, file, None)
        form, _, head = file.partition("/")
        if head and head not in HEADS[1:]:
            raise RowError(f"row {text!r} asks for the head {head!r}; expected {HEADS[1]} or none for {HEADS[0]}")
        if form == TORCH and (head or engine.startswith("run")):
            raise RowError(f"row {text!r}: PyTorch's export has one head, and lrnnet-run does not read it")
        return cls(engine, form, head or HEADS[0])

    def __str__(self) -> str:
        return f"{self.engine}:{self.file}" + (f"/{self.head}" if self.head in HEADS[1:] else "")

    def path(self, folder: Path) -> Path:
        """Where the row's file is."""
        return Path(self.file) if self.head is None else folder / f"{self.file}-{self.head}.onnx"


def export(exporter: Path, weights: Path, row: Row, size: tuple[int, int], folder: Path) -> None:
    """Writes the row's file as `lrnnet-export` does, which takes the camera's bytes."""
    path = row.path(folder)
    if row.head is None or path.exists():
        return
    command = [exporter, weights, "-o", path, "--imgsz", f"{size[0]}x{size[1]}", "--input", "u8-nhwc"]
    # Class maps are compared here anyway.
    command += ["--form", row.file, "--head", row.head, "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RowError(f"row {row}: {exporter} exits with {done.returncode}: {done.stderr.strip()}")
