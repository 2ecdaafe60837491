"""A model repository of `lrnnet-export --triton`, read by Triton's own protobuf and served by Triton.

Needs the programs LRNNET_RUN and LRNNET_EXPORT (default: those in target/debug).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import pytriton
import tritonclient.http as triton
from google.protobuf import text_format
from PIL import Image
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from client import Segmenter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STREET = ROOT / "fixtures/street.png"
LEAST_AGREEMENT = 0.9999
STARTING = 60  # seconds
TYPES = {"tensor(uint8)": "TYPE_UINT8", "tensor(float)": "TYPE_FP32"}


def program(name: str) -> Path:
    return Path(os.environ.get(name.upper().replace("-", "_"), ROOT / "target/debug" / name)).resolve()


def export(repository: Path, *flags: str) -> Path:
    """The folder of a new model of the shipped weights."""
    weights = ROOT / "models/lrnnet-c-camvid.safetensors"
    subprocess.run([program("lrnnet-export"), weights, "--triton", repository, "--no-verify", *flags], check=True)
    return repository / "lrnnet"


def parsed(model: Path) -> ModelConfig:
    return text_format.Parse((model / "config.pbtxt").read_text(), ModelConfig())


@pytest.mark.parametrize(
    "flags",
    [
        ["--input", "u8-nhwc"],
        ["--head", "both", "--max-batch", "4", "--max-delay", "0", "--instances", "2", "--tensorrt", "fp16", "--half"],
        ["--head", "logits-8", "--tensorrt", "fp32", "--dynamic"],
    ],
    ids=" ".join,
)
def test_the_configuration_says_what_the_model_is(tmp_path: Path, flags: list[str]) -> None:
    model = export(tmp_path, *flags)
    config = parsed(model)
    session = onnxruntime.InferenceSession(model / "1/model.onnx")
    told = dict(zip(flags[::2], flags[1::2], strict=False))
    assert (config.name, config.backend) == (model.name, "onnxruntime")
    assert config.max_batch_size == int(told.get("--max-batch", 8))
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.max_queue_delay_microseconds == int(told.get("--max-delay", 2000))
    (group,) = config.instance_group
    assert (group.count, group.kind) == (int(told.get("--instances", 1)), ModelInstanceGroup.KIND_AUTO)
    for ports, values in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [port.name for port in ports] == [value.name for value in values]
        for port, value in zip(ports, values, strict=True):
            batch, *extents = value.shape
            assert batch == "batch"
            assert list(port.dims) == [extent if isinstance(extent, int) else -1 for extent in extents]
            assert port.data_type == ModelConfig().input.add(data_type=TYPES[value.type]).data_type
    metadata = session.get_modelmeta().custom_metadata_map
    for key in ("class_names", "palette"):
        assert json.loads(config.parameters[key].string_value) == json.loads(metadata[key])
    assert {output.label_filename for output in config.output} == {"labels.txt"}
    assert (model / "labels.txt").read_text().splitlines() == json.loads(metadata["class_names"])
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    asked = [told["--tensorrt"].upper()] if "--tensorrt" in flags else []
    assert [(a.name, a.parameters["precision_mode"]) for a in accelerators] == [("tensorrt", mode) for mode in asked]


class Server:
    """Triton on a repository, on free ports of this machine."""

    def __init__(self, repository: Path, folder: Path) -> None:
        bundled = Path(pytriton.__file__).parent / "tritonserver"
        backends = folder / "backends"
        shutil.copytree(bundled / "backends", backends)
        # The backend starts models in a Python of its own, which must be this one's version.
        stub = bundled / f"python_backend_stubs/{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copytree(stub, backends / "python", dirs_exist_ok=True)
        self.url = f"127.0.0.1:{free_port()}"
        command = [bundled / "bin/tritonserver", "--model-repository", repository, "--backend-directory", backends]
        command += ["--http-address=127.0.0.1", f"--http-port={self.url.rpartition(':')[2]}"]
        command += ["--allow-grpc=false", "--allow-metrics=false"]
        self.log = folder / "log.txt"
        environment = os.environ | {
            # The backend's own program lacks the path to the libraries that the server has inside.
            "LD_LIBRARY_PATH": str(Path(pytriton.__file__).parents[1] / "nvidia_pytriton.libs"),
            # It finds packages as the first Python of the path does.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def wait(self) -> None:
        client = triton.InferenceServerClient(self.url)
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if client.is_server_ready():
                    return
            except OSError:
                pass
            time.sleep(0.2)
        pytest.fail(f"the server is not ready: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(STARTING)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that serves the shipped weights, by ONNX Runtime in the Python backend."""
    repository = tmp_path_factory.mktemp("models")
    # Long enough for the pictures of one client to meet.
    model = export(repository, "--input", "u8-nhwc", "--max-batch", "4", "--max-delay", "500000")
    config = model / "config.pbtxt"
    text = config.read_text()
    assert text.count('"onnxruntime"') == 1
    config.write_text(text.replace('"onnxruntime"', '"python"'))
    shutil.copy(HERE / "stand_in.py", model / "1/model.py")
    server = Server(repository, tmp_path_factory.mktemp("server"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def expected(picture: Path, folder: Path) -> np.ndarray:
    """The mask that `lrnnet-run` makes."""
    mask = folder / "expected.png"
    command = [program("lrnnet-run"), picture, "-o", mask, "--device", "tract", "--mask", "gray", "-q"]
    subprocess.run(command, check=True)
    with Image.open(mask) as opened:
        return np.asarray(opened)


def test_pictures_of_several_clients_share_a_run_and_get_their_own_masks(server: Server, tmp_path: Path) -> None:
    with Image.open(STREET) as opened:
        street = np.asarray(opened.convert("RGB"))
    pictures = [street, street[:, ::-1], street[::-1], 255 - street]

    def segment(picture: np.ndarray) -> np.ndarray:
        (mask,) = Segmenter(server.url, "lrnnet").segment(picture[None])  # a client belongs to its thread
        return mask

    with ThreadPoolExecutor(len(pictures)) as pool:
        found = list(pool.map(segment, pictures))
    for index, (picture, mask) in enumerate(zip(pictures, found, strict=True)):
        source = tmp_path / f"{index}.png"
        Image.fromarray(picture).save(source)
        agreement = (mask == expected(source, tmp_path)).mean()
        assert agreement >= LEAST_AGREEMENT, f"picture {index}: {100 * agreement:.3f} % of the pixels agree"
    assert len({mask.tobytes() for mask in found}) == len(found)
    statistics = triton.InferenceServerClient(server.url).get_inference_statistics("lrnnet")
    (statistics,) = statistics["model_stats"]
    assert statistics["inference_count"] == len(pictures)
    assert statistics["execution_count"] < len(pictures), "no two pictures shared a run"


def test_the_client_writes_the_mask_of_lrnnet_run(server: Server, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    command = [sys.executable, HERE / "client.py", STREET, "-o", mask, "--url", server.url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith("Road "), said
    with Image.open(mask) as opened:
        assert (opened.mode, opened.getpalette()[:3]) == ("P", [128, 128, 128])
        ids = np.asarray(opened)
    assert (ids == expected(STREET, tmp_path)).mean() >= LEAST_AGREEMENT
