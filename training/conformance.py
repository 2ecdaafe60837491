"""Check exported files against the ONNX standard, against other engines and against PyTorch's golden class maps.

    python conformance.py --export target/release/lrnnet-export [--run target/release/lrnnet-run]

Every file must pass `onnx.checker` and strict shape inference, equal Python's own serialisation of it byte for byte,
and give the golden class map in ONNX Runtime, OpenVINO and OpenCV (and in tract, with `--run`). What an engine does not
take stands in `docs/compatibility.md`: exactly the listed combinations may fail, each with the listed error. The
shipped models must pass their self-tests.
Needs requirements-conformance.txt, no PyTorch.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
from safetensors.numpy import load_file, save_file

import synthetic_weights
from lrnnet import synthetic
from lrnnet.compare import largest_difference

ROOT = Path(__file__).parent.parent
MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])
TIE = {"fp32": 1e-4, "fp16": 1e-4, "int8": 0.05}  # of the largest logit: closer logits may come out in either order
LEAST_AGREEMENT = {"fp32": 0.9999, "fp16": 0.995, "int8": 0.98}  # of the pixels that are no near-ties
LOGITS_TOLERANCE = {"fp32": 1e-4, "fp16": 3e-2, "int8": 0.25}  # of the largest logit
CALIBRATION = 16  # pictures

# Rows of the paper's Tables 1 and 2 as the golden files call them: block, context, classes.
CONFIGS = {
    "a": ("fcb", "none", 11),
    "b": ("fcb", "svn:8", 11),
    "c": ("fcb", "svn:8,4", 11),
    "s16": ("fcb", "svn:16", 11),
    "s4": ("fcb", "svn:4", 11),
    "s842": ("fcb", "svn:8,4,2", 11),
    "max": ("fcb", "max:8", 11),
    "mean": ("fcb", "mean:8", 11),
    "nonlocal": ("fcb", "nonlocal", 11),
    "ss-nbt": ("ss-nbt", "none", 11),
    "non-bt-1d": ("non-bt-1d", "none", 11),
    "c19": ("fcb", "svn:8,4", 19),
}


@dataclass(frozen=True)
class Case:
    """One exported file. `trained` takes the CamVid weights, else the synthetic ones of `fixtures/README.md`."""

    config: str
    form: str = "deploy"
    head: str = "class-map"
    input: str = "f32-nchw"
    size: str = "72x136"  # what it runs at: 72 x 136 gives regions with padding, and regions of padding alone
    shape: str = "static"
    precision: str = "fp32"
    opset: int = 17
    trained: bool = False

    def __str__(self) -> str:
        weights = "trained" if self.trained else "synthetic"
        return (
            f"{self.config} {self.form} {self.head} {self.input} {self.size} {self.shape} {self.precision} "
            f"opset {self.opset} {weights}"
        )


# A covering set: every row of the tables, and every pair of form, head, input and kind of shape.
CASES = [
    Case("c", trained=True, input="u8-nhwc"),
    Case("c", "plain", "logits", trained=True),
    Case("c", "deploy", "logits-8", trained=True),
    Case("c", "plain", "both", "u8-nhwc", trained=True),
    Case("c", "deploy", "logits", "u8-nhwc", trained=True, opset=13),
    Case("c", "plain", "class-map", trained=True, opset=18),
    Case("c", "deploy", "both", trained=True, opset=21),
    Case("b", "plain", "logits-8", "u8-nhwc", trained=True),
    Case("b", "deploy", "class-map", trained=True),
    Case("s16", "deploy", "logits", trained=True),
    Case("s4", "plain", "class-map", "u8-nhwc", trained=True),
    Case("s842", "deploy", "both", "u8-nhwc", trained=True),
    Case("max", "deploy", "logits-8", trained=True),
    Case("max", "plain", "class-map", "u8-nhwc", trained=True),
    Case("mean", "deploy", "class-map", "u8-nhwc", trained=True, opset=18),
    Case("mean", "plain", "logits", trained=True),
    Case("nonlocal", "deploy", "class-map", trained=True),
    Case("nonlocal", "plain", "logits-8", "u8-nhwc", trained=True),
    Case("a", "deploy", "class-map", "u8-nhwc"),
    Case("a", "plain", "both"),
    Case("ss-nbt", "deploy", "logits"),
    Case("ss-nbt", "plain", "class-map", "u8-nhwc"),
    Case("non-bt-1d", "deploy", "class-map"),
    Case("non-bt-1d", "plain", "logits-8", "u8-nhwc"),
    Case("c19", "deploy", "class-map", "u8-nhwc"),
    Case("c19", "plain", "logits"),
    Case("c", "deploy", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "plain", "logits", "f32-nchw", "64x128", "dynamic"),
    Case("c", "deploy", "logits-8", "f32-nchw", "64x128", "dynamic"),
    Case("c", "plain", "both", "u8-nhwc", "64x128", "dynamic"),
    Case("max", "deploy", "class-map", "f32-nchw", "64x128", "dynamic"),
    Case("mean", "deploy", "logits-8", "u8-nhwc", "64x128", "dynamic"),
    Case("nonlocal", "deploy", "both", "f32-nchw", "64x128", "dynamic"),
    Case("ss-nbt", "deploy", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "basic", "class-map", opset=11, trained=True),
    Case("s842", "basic", "both", "u8-nhwc", opset=12, trained=True),
    Case("max", "basic", "logits", opset=11, trained=True),
    Case("ss-nbt", "basic", "logits-8", opset=11),
    Case("c", "basic", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "blocked", "class-map", "u8-nhwc", trained=True),
    Case("s842", "blocked", "both", trained=True, opset=13),
    Case("mean", "blocked", "logits-8", "u8-nhwc", trained=True, opset=11),
    Case("ss-nbt", "blocked", "logits", opset=21),
    Case("non-bt-1d", "blocked", "logits-8"),
    Case("c19", "blocked", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("max", "blocked", "logits-8", "f32-nchw", "64x128", "dynamic"),
    Case("c", "blocked", "class-map", "u8-nhwc", precision="fp16", trained=True),
    Case("c", "deploy", "class-map", "u8-nhwc", precision="fp16", trained=True),
    Case("c", "plain", "logits-8", "f32-nchw", precision="fp16", trained=True),
    Case("a", "deploy", "logits", "f32-nchw", "64x128", "dynamic", "fp16"),
    Case("c", "dense", "class-map", trained=True),
    Case("ss-nbt", "dense", "logits", "u8-nhwc"),
    Case("c", "dense", "class-map", "u8-nhwc", precision="int8", trained=True),
    Case("c", "dense", "logits-8", "f32-nchw", precision="int8", trained=True, opset=13),
    Case("c", "dense", "logits", "u8-nhwc", precision="int8", trained=True, opset=21),
    Case("a", "dense", "class-map", "u8-nhwc", "64x128", "dynamic", "int8"),
    Case("ss-nbt", "dense", "logits", "f32-nchw", precision="int8"),
    Case("b", "deploy", "both", "f32-nchw", precision="int8", trained=True),
]


@dataclass(frozen=True)
class Golden:
    """What PyTorch makes of a picture."""

    picture: np.ndarray  # uint8 [h, w, 3]
    classes: np.ndarray  # uint8 [h, w]
    logits8: np.ndarray  # float32 [classes, h/8, w/8]

    @classmethod
    def of(cls, case: Case) -> "Golden":
        if case.trained:
            tensors = load_file(ROOT / "fixtures/oracle/io-72x136.safetensors")
            picture, key = tensors["image"], f"c-camvid/{case.config}"
        else:
            tensors = load_file(ROOT / "fixtures/golden.safetensors")
            height, width = map(int, case.size.split("x"))
            picture, key = synthetic.image(height, width), f"{case.config}/{case.size}"
        return cls(picture, tensors[f"{key}/classes"][0], tensors[f"{key}/logits8"][0])

    def feed(self, case: Case) -> np.ndarray:
        """The picture as the case's input; twice where the batch is free."""
        image = self.picture
        if case.input == "f32-nchw":
            image = ((image.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)
        return np.stack([image] * (2 if case.shape == "dynamic" else 1))

    def decided(self, tie: float) -> np.ndarray:
        """bool `[h, w]`: pixels whose two largest logits are no near-tie."""
        largest = np.partition(upsample(self.logits8, self.classes.shape), -2, axis=0)
        return largest[-1] - largest[-2] > tie * np.abs(self.logits8).max()


def upsample(logits8: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: `[classes, h/8, w/8] -> [classes, h, w]`."""
    return np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in logits8])


def weight_file(case: Case, folder: Path) -> Path:
    """The case's weights; those that its context lacks are left out, since the exporter refuses what it cannot use."""
    block, context, classes = CONFIGS[case.config]
    path = folder / f"{'trained' if case.trained else 'synthetic'}-{case.config}.safetensors"
    if not path.exists():
        tensors = synthetic_weights.weights(block, context, classes)
        if case.trained:
            trained = load_file(ROOT / "fixtures/oracle/c-camvid.safetensors")
            tensors = {name: trained[name] for name in tensors}
        save_file(tensors, path)
    return path


def calibration(case: Case, folder: Path) -> Path:
    """A folder of pictures that are not the one to be tested: cuts of the drawn street, or of the generated one."""
    pictures = folder / f"calibration-{'trained' if case.trained else 'synthetic'}"
    if not pictures.exists():
        pictures.mkdir()
        street = cv2.imread(str(ROOT / "fixtures/street.png")) if case.trained else synthetic.image(360, 480)[..., ::-1]
        height, width = street.shape[:2]
        for i in range(CALIBRATION):
            top, left = (height // 2) * (i % 4) // 4, (width // 2) * (i // 4) // 4
            cut = street[top : top + height // 2, left : left + width // 2]
            cv2.imwrite(str(pictures / f"{i:02}.png"), cut)
    return pictures


def export(exporter: Path, case: Case, folder: Path) -> Path:
    block, context, classes = CONFIGS[case.config]
    path = folder / f"{str(case).replace(' ', '_')}.onnx"
    command = [exporter, weight_file(case, folder), "-o", path, "--block", block, "--context", context]
    command += ["--classes", "cityscapes" if classes == 19 else "camvid", "--head", case.head, "--input", case.input]
    command += ["--dynamic"] if case.shape == "dynamic" else ["--imgsz", case.size]
    command += ["--half"] if case.precision == "fp16" else []
    command += ["--int8", "--calibration", calibration(case, folder)] if case.precision == "int8" else []
    # Every engine below is compared with PyTorch, which is more than the exporter's own verification does.
    command += ["--form", case.form, "--opset", str(case.opset), "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"lrnnet-export exits with {done.returncode}: {done.stderr.strip()}")
    return path


def check_file(opset: int, path: Path) -> Iterator[str]:
    """What is wrong with a file by the standard itself."""
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    if model.SerializeToString() != data:
        yield "the file differs from Python's serialisation of it"
    versions = [entry.version for entry in model.opset_import]
    if versions != [opset]:
        yield f"opset {versions}; expected {opset}"
    known = {value.name: value for value in [*model.graph.value_info, *model.graph.output]}
    unnamed = [name for node in model.graph.node for name in node.output if name not in known]
    if unnamed:
        yield f"no type is stored for {len(unnamed)} values: {unnamed[:3]}"
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        yield f"onnx.checker: {first_line(error)}"


def passes_selftest(record: dict, ids: np.ndarray) -> bool:
    """Whether a class map is the exporter's but for near ties (docs/metadata.md)."""
    if record["version"] != 2:
        raise ValueError(f"self-test of version {record['version']}; expected 2")
    runs = record["near_ties"]
    near_tie = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    clear = ids.astype(np.uint8).ravel()[~near_tie] if ids.size == near_tie.size else np.empty(0, np.uint8)
    return hashlib.sha256(clear).hexdigest() == record["clear_sha256"]


def selftest_faults(path: Path) -> Iterator[str]:
    """Engines in which a file with a class map does not pass its self-test, and damage with which it does."""
    record = json.loads({entry.key: entry.value for entry in onnx.load(path).metadata_props}["selftest"])
    picture = synthetic.image(record["height"], record["width"])[None]
    for run in (run_onnxruntime, run_openvino):
        ids = run(path, picture)["class_map"]
        if not passes_selftest(record, ids):
            yield f"{run.__name__}: the self-test fails"
        for damage, damaged in {"mirrored": ids[..., ::-1], "shifted": np.roll(ids, 1, axis=2)}.items():
            if passes_selftest(record, damaged):
                yield f"{run.__name__}: the self-test passes a class map that is {damage}"


def run_onnxruntime(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def run_openvino(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    # OpenVINO computes in bfloat16 by itself where the CPU can.
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = model({"image": image})
    # An output may have the name of its last node too.
    return {name: np.array(results[output]) for output in model.outputs for name in output.get_names()}


def run_opencv(path: Path, image: np.ndarray, engine: int = cv2.dnn.ENGINE_NEW) -> dict[str, np.ndarray]:
    net = cv2.dnn.readNetFromONNX(str(path), engine)
    net.setInput(image, "image")
    names = net.getUnconnectedOutLayersNames()
    return dict(zip(names, net.forward(names), strict=True))


def run_opencv_classic(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """OpenCV 4's engine, which OpenCV 5 still has, in a process of its own: it can crash."""
    feed, result = path.with_suffix(".feed.npy"), path.with_suffix(".result.npz")
    np.save(feed, image)
    command = [sys.executable, __file__, "--opencv-classic", path, feed, result]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode < 0:
        raise RuntimeError(f"crashes with {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        raise RuntimeError(done.stderr[done.stderr.rfind("cv2.error") :])
    return dict(np.load(result))


def run_tract(runner: Path, path: Path, picture: np.ndarray) -> dict[str, np.ndarray]:
    source, mask = path.with_suffix(".picture.png"), path.with_suffix(".mask.png")
    cv2.imwrite(str(source), picture[..., ::-1])
    size = f"{picture.shape[0]}x{picture.shape[1]}"
    command = [runner, source, "-o", mask, "-m", path, "--device", "tract", "--mask", "gray", "-q"]
    if "dynamic" in path.name:
        command += ["--imgsz", size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return {"class_map": cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)[None]}


def disagreements(case: Case, golden: Golden, outputs: dict[str, np.ndarray]) -> Iterator[str]:
    """How an engine's outputs for one picture differ from PyTorch's, beyond tolerance."""
    size = golden.classes.shape
    maps = {"class_map": outputs["class_map"]} if "class_map" in outputs else {}
    logits = outputs.get("logits8", outputs.get("logits"))
    if logits is not None:
        expected = golden.logits8 if case.head == "logits-8" else upsample(golden.logits8, size)
        error = largest_difference(logits, expected)
        if not error <= LOGITS_TOLERANCE[case.precision]:
            yield f"logits differ by {error:.1e} of the largest"
        full_size = upsample(logits, size) if case.head == "logits-8" else logits
        maps["argmax of the logits"] = full_size.argmax(0)
    decided = golden.decided(TIE[case.precision])
    for name, found in maps.items():
        agreement = (found == golden.classes)[decided].mean()
        if not agreement >= LEAST_AGREEMENT[case.precision]:
            yield f"{name}: {100 * agreement:.3f} % of {decided.sum()} pixels agree with PyTorch"
    if not maps:
        yield f"no class map and no logits among the outputs {sorted(outputs)}"


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


class Report:
    """Counts what was checked and keeps what went wrong."""

    def __init__(self, limits: list[Limit]) -> None:
        self.limits = limits
        self.met: set[int] = set()
        self.passed: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.failures: list[str] = []

    def fail(self, case: Case | str, what: str) -> None:
        self.failures.append(f"{case}: {what}")
        print(f"  FAILED: {what}", flush=True)

    def engine(self, name: str, case: Case, run: Callable[[], dict[str, np.ndarray]], golden: Golden) -> None:
        """Runs one engine and holds the outcome against what is listed."""
        listed = [i for i, limit in enumerate(self.limits) if limit.covers(name, case)]
        self.met.update(listed)
        try:
            faults = self.faults(case, run(), golden)
        except Exception as error:
            faults = [" ".join(str(error).split())]
        if any(self.limits[i].error in fault for i in listed for fault in faults):
            self.refused[name] = self.refused.get(name, 0) + 1
            return
        for fault in faults:
            self.fail(case, f"{name}: {fault[:300]}")
        if faults:
            return
        for i in listed:
            self.fail(case, f"{name}: works, but docs/compatibility.md lists it: {self.limits[i]}")
        if not listed:
            self.passed[name] = self.passed.get(name, 0) + 1

    @staticmethod
    def faults(case: Case, outputs: dict[str, np.ndarray], golden: Golden) -> list[str]:
        """How the pictures of a batch, which is the first axis, differ from PyTorch's."""
        batch = min(len(output) for output in outputs.values())
        pictures = [{name: output[i] for name, output in outputs.items()} for i in range(batch)]
        return [text for picture in pictures for text in disagreements(case, golden, picture)]

    def finish(self, seconds: float) -> int:
        for i, limit in enumerate(self.limits):
            if i not in self.met:
                self.fail("docs/compatibility.md", f"no case tests the row {limit}")
        print(f"\n{len(CASES)} files in {seconds:.0f} s")
        for name in sorted(self.passed | self.refused):
            print(f"  {name}: {self.passed.get(name, 0)} agree, {self.refused.get(name, 0)} refused as listed")
        for failure in self.failures:
            print(f"FAILED {failure}")
        print("conformance: " + (f"{len(self.failures)} failures" if self.failures else "all good"))
        return 1 if self.failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", type=Path, required=True, help="the program lrnnet-export")
    parser.add_argument("--run", type=Path, help="the program lrnnet-run; adds tract to the engines")
    args = parser.parse_args()
    start = time.monotonic()
    report = Report(read_limits(ROOT / "docs/compatibility.md"))
    for path in sorted((ROOT / "models").glob("*.onnx")):
        for fault in [*check_file(17, path), *selftest_faults(path)]:
            report.fail(path.name, fault)
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            print(case, flush=True)
            golden = Golden.of(case)
            try:
                path = export(args.export, case, Path(folder))
            except RuntimeError as error:
                report.fail(case, str(error))
                continue
            for fault in check_file(case.opset, path):
                report.fail(case, fault)
            image = golden.feed(case)
            report.engine("ONNX Runtime", case, partial(run_onnxruntime, path, image), golden)
            report.engine("OpenVINO", case, partial(run_openvino, path, image), golden)
            report.engine("OpenCV", case, partial(run_opencv, path, image), golden)
            report.engine("OpenCV classic", case, partial(run_opencv_classic, path, image), golden)
            if args.run:
                report.engine("tract", case, partial(run_tract, args.run, path, golden.picture), golden)
    return report.finish(time.monotonic() - start)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--opencv-classic"]:
        model, feed, result = map(Path, sys.argv[2:])
        np.savez(result, **run_opencv(model, np.load(feed), cv2.dnn.ENGINE_CLASSIC))
    else:
        sys.exit(main())
