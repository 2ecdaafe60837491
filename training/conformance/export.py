"""Files of the program `lrnnet-export`."""

import subprocess
from pathlib import Path

import cv2
from safetensors.numpy import load_file, save_file

import synthetic_weights
from lrnnet import synthetic

from .cases import CONFIGS, ROOT, Case

CALIBRATION = 16  # pictures


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
    command += ["--batch", "any"] if case.shape == "batch" else []
    command += ["--half"] if case.precision == "fp16" else []
    command += ["--int8", "--calibration", calibration(case, folder)] if case.precision == "int8" else []
    # Every engine below is compared with PyTorch, which is more than the exporter's own verification does.
    command += ["--form", case.form, "--opset", str(case.opset), "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"lrnnet-export exits with {done.returncode}: {done.stderr.strip()}")
    return path
