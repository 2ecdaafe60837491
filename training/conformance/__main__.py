"""`python -m conformance --export ../target/release/lrnnet-export [--run ../target/release/lrnnet-run]`"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import conformance

from .cases import CASES, ROOT
from .engines import Engine, Task, onnxruntime, opencv, opencv_classic, openvino, tract
from .export import export
from .golden import Golden
from .report import Report, read_limits
from .selftest import selftest_faults
from .standard import check_file


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=conformance.__doc__.splitlines()[0])
    parser.add_argument("--export", type=Path, required=True, help="the program lrnnet-export")
    parser.add_argument("--run", type=Path, help="the program lrnnet-run; adds tract to the engines")
    args = parser.parse_args()
    start = time.monotonic()
    report = Report(read_limits(ROOT / "docs/compatibility.md"))
    check_shipped(report)
    engines = [onnxruntime.ENGINE, openvino.ENGINE, opencv.ENGINE, opencv_classic.ENGINE]
    engines += [tract.engine(args.run.resolve())] if args.run else []
    with tempfile.TemporaryDirectory() as folder:
        check_exported(report, args.export.resolve(), engines, Path(folder))
    return report.finish(time.monotonic() - start)


def check_shipped(report: Report) -> None:
    for path in sorted((ROOT / "models").glob("*.onnx")):
        for fault in [*check_file(17, path), *selftest_faults(path, [onnxruntime.ENGINE, openvino.ENGINE])]:
            report.fail(path.name, fault)


def check_exported(report: Report, exporter: Path, engines: list[Engine], folder: Path) -> None:
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
            report.engine(engine, case, Task(path, golden.feed(case), golden.picture), golden)


if __name__ == "__main__":
    sys.exit(main())
