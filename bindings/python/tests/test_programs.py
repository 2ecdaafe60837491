"""The console scripts of the wheel."""

import subprocess
import sys
from pathlib import Path

import pytest


def script(name: str, *args: object) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name(name), *args]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


@pytest.mark.parametrize("name", ["lrnnet-run", "lrnnet-export"])
def test_programs_say_what_they_are(name):
    assert script(name, "--version").stdout.startswith(f"{name} 0.")
    assert script(name, "--help").returncode == 0
    wrong = script(name, "--nonsense")
    assert wrong.returncode == 2 and "--nonsense" in wrong.stderr


def test_programs_do_what_they_do(root, tmp_path):
    model, mask = tmp_path / "model.onnx", tmp_path / "mask.png"
    weights = root / "models/lrnnet-c-camvid.safetensors"
    assert script("lrnnet-export", weights, "-o", model, "--imgsz", "64x128").returncode == 0
    assert "class-map" in script("lrnnet-export", "inspect", model).stdout
    done = script("lrnnet-run", root / "fixtures/street.png", "-o", mask, "-m", model, "--device", "cpu")
    assert done.returncode == 0 and mask.stat().st_size > 0, done.stderr
    assert script("lrnnet-run", "missing.png", "-o", mask, "-m", model, "--device", "tract").returncode != 0
