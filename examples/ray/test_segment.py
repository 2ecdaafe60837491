"""The job on a local cluster of two nodes, one of whose actors is killed on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lrnnet
import numpy as np
import pyarrow as pa
import pyarrow.dataset as parquet
import pyarrow.parquet
import pytest
import ray
from PIL import Image
from ray.cluster_utils import Cluster

import segment

ROOT = Path(__file__).resolve().parents[2]
PICTURES = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A small network, so that the job is over soon."""
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    weights = ROOT / "models/lrnnet-c-camvid.safetensors"
    lrnnet.export(weights, path, size=(128, 192), input="u8-nhwc", verify=False)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """PICTURES pictures, in two folders, and two files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    street = Image.open(ROOT / "fixtures/street.png").convert("RGB")
    for number in range(PICTURES):
        path = folder / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        street.crop((number, 0, number + 300, 240)).save(path)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    # Workers import the job's module, which is no package, by what they inherit from the nodes.
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [known])])
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=2)
    ray.init(address=nodes.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    nodes.shutdown()


def arguments(source: Path, out: Path, model: str, *more: str):
    words = [str(source), "-o", str(out), "-m", model, "--device", "cpu", "--actors", "2", "--batch", "2", *more]
    return segment.parse(words)


def table(out: Path) -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {}
    for row in parquet.dataset(out / "results").to_table().to_pylist():
        rows.setdefault(row["name"], []).append(row)
    return rows


def actors() -> list[int]:
    """Processes of the job's actors."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::") and b"MapWorker" in words:
            found.append(int(entry.parent.name))
    return found


def kill_one_when(enough, killed: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        if enough() and (running := actors()):
            os.kill(running[0], signal.SIGKILL)
            killed.append(running[0])
            return
        time.sleep(0.02)


def test_an_actor_that_is_killed_loses_nothing_and_nothing_comes_twice(cluster, folder, model, tmp_path):
    killed, stop = [], threading.Event()

    def enough() -> bool:
        return len(list(tmp_path.glob("masks/*/*.png"))) >= PICTURES // 4

    killer = threading.Thread(target=kill_one_when, args=(enough, killed, stop))
    killer.start()
    try:
        summary = segment.run(arguments(folder, tmp_path, model))
    finally:
        stop.set()
        killer.join()
    assert killed, "the job was over before an actor could be killed"
    assert (summary.total, summary.skipped, summary.done) == (PICTURES + 2, 0, PICTURES + 2)
    rows = table(tmp_path)
    assert sorted(rows) == sorted([f"{n % 2}/{n}.png" for n in range(PICTURES)] + ["broken.png", "empty.jpg"])
    assert all(len(found) == 1 for found in rows.values())
    assert sorted(name for name, _ in summary.failures) == ["broken.png", "empty.jpg"]
    assert "the file is empty" in rows["empty.jpg"][0]["error"]
    segmenter = lrnnet.Segmenter(model, "cpu")
    for name, (row,) in rows.items():
        if row["error"]:
            continue
        mask = segmenter.segment(lrnnet.read_picture(folder / name))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "masks" / f"{name}.png")), mask), name
        assert (row["height"], row["width"]) == mask.shape == (240, 300)
        assert row["class_pixels"] == np.bincount(mask.ravel(), minlength=11).tolist()


def test_a_job_goes_on_where_it_was(cluster, folder, model, tmp_path):
    first = segment.run(arguments(folder, tmp_path, model))
    assert first.done == PICTURES + 2
    again = segment.run(arguments(folder, tmp_path, model))
    # What failed is tried again: its file may have been mended.
    assert (again.total, again.skipped, again.done) == (PICTURES + 2, PICTURES, 2)
    lost = sorted((tmp_path / "results").glob("*.parquet"), key=lambda path: path.stat().st_size)[-1]
    names = parquet.dataset(lost).to_table(filter=parquet.field("error") == "")["name"].to_pylist()
    lost.unlink()
    third = segment.run(arguments(folder, tmp_path, model))
    assert third.done == len(names) + 2 > 2
    assert all(len([row for row in found if not row["error"]]) <= 1 for found in table(tmp_path).values())
    assert not list(tmp_path.rglob("*.part"))


def test_pictures_come_from_parquet_too(cluster, folder, model, tmp_path):
    paths = sorted(folder.rglob("*.png"))[:10]
    names = [path.name for path in paths[:-1]] + ["../../out.png"]
    source = tmp_path / "pictures.parquet"
    pyarrow.parquet.write_table(pa.table({"id": names, "jpeg": [path.read_bytes() for path in paths]}), source)
    more = ("--name-column", "id", "--picture-column", "jpeg")
    summary = segment.run(arguments(source, tmp_path / "out", model, *more))
    assert (summary.total, summary.done) == (10, 10)
    assert dict(summary.failures)["../../out.png"] == "the name leads out of the folder of masks"
    assert sorted(table(tmp_path / "out")) == sorted(names) and not list(tmp_path.glob("out.png*"))
    again = segment.run(arguments(source, tmp_path / "out", model, *more))
    assert again.skipped == 10 - len(summary.failures)


def test_the_command_lists_failures_and_ends_with_1(cluster, folder, model, tmp_path):
    address = ray.get_runtime_context().gcs_address
    script = Path(__file__).with_name("segment.py")
    command = [sys.executable, script, folder, "-o", tmp_path, "-m", model, "--device", "cpu", "--address", address]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    assert "failed: empty.jpg: the file is empty" in ended.stderr
    assert f"{PICTURES + 2} of {PICTURES + 2} pictures" in ended.stderr


def test_a_model_that_is_none_ends_the_job(cluster, folder, tmp_path):
    with pytest.raises(ray.exceptions.RayError, match="missing.onnx"):
        segment.run(arguments(folder, tmp_path, "missing.onnx"))
    assert not list(tmp_path.rglob("*.parquet"))
