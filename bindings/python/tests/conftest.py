"""What the tests have in common: the files of the repository and the program to compare with."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lrnnet-run", default=ROOT / "target/debug/lrnnet-run", help="the program, built by cargo")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def street() -> np.ndarray:
    """fixtures/street.png, uint8 [360, 480, 3]"""
    return np.asarray(Image.open(ROOT / "fixtures/street.png").convert("RGB"))


@pytest.fixture(scope="session")
def program_mask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The mask that the program makes of a picture on a device, as [height, width] ids."""

    def mask(picture: np.ndarray, *args: str) -> np.ndarray:
        folder = tmp_path_factory.mktemp("mask")
        Image.fromarray(picture).save(folder / "picture.png")
        program = request.config.getoption("--lrnnet-run")
        command = [program, folder / "picture.png", "-o", folder / "mask.png", "--mask", "gray", "--quiet", *args]
        subprocess.run(command, check=True)
        return np.asarray(Image.open(folder / "mask.png"))

    return mask


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder of ONNX Runtime's library in the installed wheel."""
    import onnxruntime

    return Path(onnxruntime.__file__).parent / "capi"
