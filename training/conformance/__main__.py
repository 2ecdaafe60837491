"""`python -m conformance --export ../target/debug/lrnnet-export`"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

import conformance

from . import matrix
from .cases import CASES, ROOT, covering
from .engines import Engine, Programs, Task, onnxruntime, openvino
from .export import export
from .golden import Golden
from .report import Report, read_limits
from .selftest import selftest_faults
from .standard import check_file

PAGE = ROOT / "docs/compatibility.md"
# Modules of `engines`, by what they need.
USUAL = ["onnxruntime", "openvino", "opencv", "opencv_classic"]  # requirements-conformance.txt
OF_PROGRAMS = ["tract", "opencv46", "rten", "onnxruntime_web"]  # programs that this repository builds
MORE = ["mnn", "tvm", "ncnn", "reference"]  # requirements-engines.txt, or patience
APART = ["tflite"]  # requirements-tflite.txt, in an environment of its own


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=conformance.__doc__.splitlines()[0])
    parser.add_argument("--export", type=Path, required=True, help="the program lrnnet-export")
    parser.add_argument("--run", type=Path, help="the program lrnnet-run, for tract")
    parser.add_argument("--opencv46", type=Path, help="examples/cpp's segment_opencv, for opencv46")
    known = [*USUAL, *OF_PROGRAMS, *MORE, *APART]
    parser.add_argument("--engines", nargs="+", choices=known, default=USUAL, metavar="NAME", help=", ".join(known))
    parser.add_argument("--write", action="store_true", help="write the engines' rows instead of checking them")
    args = parser.parse_args()
    programs = Programs(args.run and args.run.resolve(), args.opencv46 and args.opencv46.resolve())
    engines = [engine_of(name, programs) for name in args.engines]
    start = time.monotonic()
    report = Report(read_limits(PAGE))
    check_shipped(report)
    with tempfile.TemporaryDirectory() as folder:
        check_exported(report, args.export.resolve(), engines, Path(folder))
    if args.write:
        matrix.write(PAGE, report.tallies)
    for fault in matrix.faults(PAGE, report.tallies):
        report.fail(PAGE.name, fault)
    return report.finish(time.monotonic() - start)


def engine_of(name: str, programs: Programs) -> Engine:
    """The engine of a module, which is imported only now, since each needs packages or programs of its own."""
    module = importlib.import_module(f".engines.{name}", __package__)
    return module.engine(programs) if hasattr(module, "engine") else module.ENGINE


def check_shipped(report: Report) -> None:
    for path in sorted((ROOT / "models").glob("*.onnx")):
        for fault in [*check_file(17, path), *selftest_faults(path, [onnxruntime.ENGINE, openvino.ENGINE])]:
            report.fail(path.name, fault)


def check_exported(report: Report, exporter: Path, engines: list[Engine], folder: Path) -> None:
    few = covering(CASES)
    for case in CASES:
        print(case, flush=True)
        golden = Golden.of(case)
        try:
            path = export(exporter, case, folder)
        except RuntimeError as error:
            report.fail(case, str(error))
            continue
        for fault in check_file(case.opset, path):
            report.fail(case, fault)
        for engine in engines:
            if engine.asks(case) and (case in few or not engine.slow):
                report.engine(engine, case, Task(path, golden.feed(case), golden.picture), golden)


if __name__ == "__main__":
    sys.exit(main())
