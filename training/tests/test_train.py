"""Training end to end on a tiny data set, and what is around it."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import torch

import lrnnet.evaluate
import lrnnet.train
from lrnnet import data, recipe, weights
from lrnnet.batches import Batches
from lrnnet.data import CAMVID
from lrnnet.model import VARIANTS, LRNNet
from lrnnet.recipe import Phase, Recipe, RecipeError
from lrnnet.run import Run, read_checkpoint, recipe_of
from lrnnet.schedule import Budget, phase_at, rate_at

TRAINING = Path(__file__).parent.parent
RECIPE = """
data = "{data}"
train_split = "train"
variant = "{variant}"
warm_up = 0.1
jaccard = 0.5
[[phases]]
until = 0.5
height = 32
width = 48
batch = 2
[[phases]]
until = 1.0
height = 48
width = 64
batch = 2
"""


def options(*args) -> list[str]:
    return ["--threads", "2", "--workers", "1", *map(str, args)]


def train(*args) -> int:
    return lrnnet.train.main(options(*args))


def config(tmp_path: Path, data: str = "camvid", variant: str = "c") -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(data=data, variant=variant))
    return path


def test_a_run_writes_weights_log_and_pictures(camvid, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    args = ("--data", camvid, "--out", out, "--config", config(tmp_path), "--epochs", 3)
    assert train(*args) == 0
    assert {p.name for p in out.iterdir()} == {
        "checkpoint.pt", "weights.safetensors", "log.csv", "curves.png", "predictions.png",
    }  # fmt: skip
    weights.load(out / "weights.safetensors", LRNNet(VARIANTS["c"]))
    with safetensors.safe_open(out / "weights.safetensors", "pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
    assert metadata["classes"][0] == "Sky" and metadata["images_seen"] == 18 and metadata["steps"] == 9
    with open(out / "log.csv", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert row["images"] == "18" and metadata["metrics"]["miou"] == pytest.approx(float(row["val_miou"]), abs=1e-4)

    assert train(*args) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_cityscapes_and_another_variant_train(cityscapes, tmp_path) -> None:
    recipe_file = config(tmp_path, "cityscapes", "a")
    assert train("--data", cityscapes, "--out", tmp_path / "run", "--config", recipe_file, "--epochs", 1) == 0


def test_evaluate_agrees_with_the_run(camvid, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    assert train("--data", camvid, "--out", out, "--config", config(tmp_path), "--epochs", 1) == 0
    capsys.readouterr()
    size = "x".join(map(str, CAMVID.trained_size))
    file = out / "weights.safetensors"
    assert lrnnet.evaluate.main([str(file), "--data", str(camvid), "--imgsz", size, "--json"]) == 0
    found, expected = json.loads(capsys.readouterr().out), read_checkpoint(out / "checkpoint.pt")["metrics"]
    assert found == expected


def test_ctrl_c_saves_and_resume_finishes(camvid, tmp_path) -> None:
    out = tmp_path / "run"
    args = options("--data", camvid, "--out", out, "--config", config(tmp_path), "--minutes", 0.2)
    command = [sys.executable, "-m", "lrnnet.train", *args]
    process = subprocess.Popen(command, cwd=TRAINING, stderr=subprocess.PIPE)
    text = b""
    while b"images, loss" not in text and (piece := os.read(process.stderr.fileno(), 65536)):
        text += piece
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 130 and "stopped; --resume continues" in rest, text.decode() + rest
    stopped = Budget(**read_checkpoint(out / "checkpoint.pt")["budget"])
    assert 0 < stopped.progress < 1
    assert train("--data", camvid, "--out", out, "--resume") == 0
    finished = Budget(**read_checkpoint(out / "checkpoint.pt")["budget"])
    assert finished.progress == 1 and finished.step > stopped.step and finished.seconds == 12


def test_a_resumed_model_goes_on_exactly(camvid, tmp_path) -> None:
    """Model, average, optimizer and position all come back: the next step is the same step."""
    samples, spec = data.load(camvid, "train", CAMVID), CAMVID
    chosen = Recipe(dropout=0.0, phases=(Phase(1.0, 32, 48, 2),))
    batches = Batches(samples, chosen, spec.ignore, workers=1)

    def new_run() -> Run:
        return Run(chosen, spec, torch.ones(11), "cpu", shards=2)

    first = new_run()
    for step in range(3):
        first.step(*batches.make(step, chosen.phases[0]), progress=0.3)
    first.save(tmp_path, Budget(images=100, step=3))
    second = new_run()
    second.restore(read_checkpoint(tmp_path / "checkpoint.pt"))
    assert recipe_of(read_checkpoint(tmp_path / "checkpoint.pt")) == chosen
    for run in (first, second):
        run.step(*batches.make(3, chosen.phases[0]), progress=0.3)
    for (name, a), b in zip(first.average.state_dict().items(), second.average.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--epochs", 1, "--resume"), "--resume takes recipe and length from the checkpoint"),
        (("--resume",), "holds no checkpoint.pt"),
        ((), "--epochs or --minutes"),
        (("--epochs", 1, "--config", "missing.toml"), "missing.toml: cannot be read"),
        (("--epochs", 1, "--init", "missing.safetensors"), "missing.safetensors: not a readable"),
    ],
)
def test_wrong_use_is_one_clear_line(camvid, tmp_path, capsys, args, message) -> None:
    assert train("--data", camvid, "--out", tmp_path / "run", *args) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_missing_gpu_is_an_error(camvid, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train("--data", camvid, "--out", tmp_path / "run", "--epochs", 1, "--device", "cuda") == 2
    assert "sees no CUDA device" in capsys.readouterr().err


def test_the_schedule() -> None:
    chosen = Recipe(peak_rate=1.0, warm_up=0.1)
    assert [round(rate_at(p, chosen), 3) for p in (0, 0.05, 0.1, 0.55, 1)] == [0, 0.5, 1, 0.5, 0]
    assert phase_at(0.59, chosen) == chosen.phases[0] and phase_at(1.0, chosen) == chosen.phases[1]
    by_clock = Budget(seconds=100)
    by_clock.advance(8, 25)
    by_images = Budget(images=16)
    by_images.advance(8, 25)
    assert (by_clock.progress, by_images.progress) == (0.25, 0.5)


@pytest.mark.parametrize("path", sorted((TRAINING / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_published_recipes_are_valid(path) -> None:
    recipe.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate = 1", "unknown key.s. rate; known are"),
        ("[augment]\nzoom = 2", "augment: unknown key.s. zoom"),
        ('decay = "poly"', "decay is 'poly'; expected one of cosine, linear"),
        ('variant = "d"', "variant is 'd'"),
        ("[[phases]]\nuntil = 1.0\nheight = 30\nwidth = 32\nbatch = 2", "multiples of 8"),
        ("[[phases]]\nuntil = 0.5\nheight = 32\nwidth = 32\nbatch = 2", "until = 1.0"),
        ("=", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_names_its_key(text, message) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe.parse(text, "x.toml")
