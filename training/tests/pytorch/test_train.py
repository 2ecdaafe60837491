"""Training end to end on a tiny data set, and what is around it."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file

import lrnnet.evaluate
import lrnnet.train
from lrnnet import weights
from lrnnet.config import VARIANTS
from lrnnet.data import CAMVID
from lrnnet.model import LRNNet
from lrnnet.recipe import Recipe
from lrnnet.run import Run, read_checkpoint
from lrnnet.schedule import Budget

TRAINING = Path(__file__).parents[2]
RECIPE = """
data = "{data}"
train_split = "train"
variant = "{variant}"
warm_up = 0.1
epochs = 2
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
    args = ("--data", camvid, "--out", out, "--config", config(tmp_path))
    assert train(*args) == 0
    assert {p.name for p in out.iterdir()} == {
        "checkpoint.pt", "weights.safetensors", "log.csv", "curves.png", "predictions.png",
    }  # fmt: skip
    weights.load(out / "weights.safetensors", LRNNet(VARIANTS["c"]))
    with safetensors.safe_open(out / "weights.safetensors", "pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
    assert metadata["classes"][0] == "Sky" and metadata["images_seen"] == 12 and metadata["steps"] == 6
    with open(out / "log.csv", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert row["images"] == "12" and metadata["metrics"]["miou"] == pytest.approx(float(row["val_miou"]), abs=1e-4)

    assert train(*args) == 2
    assert "holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_cpu_without_instructions_for_bfloat16_trains_in_float32(capabilities, dtype, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    run = Run(Recipe(), torch.ones(11))
    seen = []
    run.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    run.model.encoder[0].register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    run.step(torch.zeros(2, 16, 16, 3, dtype=torch.uint8), torch.zeros(2, 16, 16, dtype=torch.int64), Budget(images=2))
    assert seen == [dtype, dtype]


def test_data_of_ones_own_needs_a_recipe_and_no_code(camvid, tmp_path, capsys) -> None:
    names = [f"thing {i}" for i in range(12)]
    own = f'[data]\nname = "own"\nclass_names = {json.dumps(names)}\npalette = {[[i, 0, 0] for i in range(12)]}\n'
    recipe_file = config(tmp_path)
    text = recipe_file.read_text().replace('data = "camvid"\n', "")
    recipe_file.write_text(text + own + "trained_size = [64, 96]\n")
    file = tmp_path / "run" / "weights.safetensors"
    assert train("--data", camvid, "--out", file.parent, "--config", recipe_file, "--epochs", 1) == 0
    assert weights.metadata(file)["classes"] == names and weights.metadata(file)["context"] == "svn:8,4"
    capsys.readouterr()
    assert lrnnet.evaluate.main([str(file), "--data", str(camvid), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["iou"]) == names


def test_cityscapes_and_another_variant_train(cityscapes, tmp_path) -> None:
    recipe_file = config(tmp_path, "cityscapes", "a")
    assert train("--data", cityscapes, "--out", tmp_path / "run", "--config", recipe_file, "--epochs", 1) == 0


def test_evaluate_agrees_with_the_run(camvid, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    assert train("--data", camvid, "--out", out, "--config", config(tmp_path), "--epochs", 1) == 0
    capsys.readouterr()
    file = out / "weights.safetensors"
    assert lrnnet.evaluate.main([str(file), "--data", str(camvid), "--json"]) == 0
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


class StopAfter:
    """Asks for a stop once it has been looked at `looks` times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    @property
    def asked(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("keys", ["", "auxiliary = 0.4\nfocal = 1.0\nborder = 1.0\n"], ids=["plain", "every loss"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(camvid, tmp_path, monkeypatch, keys) -> None:
    """Crop sizes, rates, dropout masks, average: all bits, across a change of phase, on one thread."""

    def run(out: str, *args) -> int:
        return lrnnet.train.main(["--data", str(camvid), "--out", str(tmp_path / out), "--threads", "1", *args])

    recipe_file = config(tmp_path)
    recipe_file.write_text(keys + recipe_file.read_text())
    start = ["--config", str(recipe_file), "--epochs", "3"]
    assert run("whole", *start) == 0
    with monkeypatch.context() as patch:
        patch.setattr(lrnnet.train, "StopRequest", lambda: StopAfter(3))
        assert run("parts", *start) == 130
    assert run("parts", "--resume") == 0
    whole, parts = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    differing = [name for name, tensor in whole.items() if not torch.equal(tensor, parts[name])]
    assert not differing and whole.keys() == weights.contract(LRNNet(VARIANTS["c"]).state_dict()).keys()


def test_training_starts_without_constants_in_the_logits(tmp_path) -> None:
    start, model = tmp_path / "adjusted.safetensors", LRNNet(VARIANTS["c"])
    said = {"classes": CAMVID.class_names, weights.OFFSETS: dict.fromkeys(CAMVID.class_names, 0.5)}
    weights.save(start, model, {key: json.dumps(value) for key, value in said.items()})
    run = Run(Recipe(), torch.ones(11))
    run.warm_start(start)
    assert torch.allclose(run.model.classifier.predict.bias, model.classifier.predict.bias - 0.5, atol=1e-6)


def test_a_sequence_is_held_out_and_stays_so(camvid, tmp_path, capsys) -> None:
    recipe_file = config(tmp_path)
    recipe_file.write_text('hold_out = "0006R0"\n' + recipe_file.read_text())
    args = ("--data", camvid, "--config", recipe_file, "--epochs", 1)
    file = tmp_path / "first" / "weights.safetensors"
    assert train(*args, "--out", file.parent) == 0
    found = weights.metadata(file)
    assert found["images_seen"] == 4 and found["metrics"]["images"] == 3
    assert train(*args, "--out", tmp_path / "second", "--init", file) == 0
    capsys.readouterr()
    evaluation = [str(file), "--data", str(camvid), "--split", "train", "--json"]
    assert lrnnet.evaluate.main([*evaluation, "--sequence", "0006R0"]) == 0
    assert json.loads(capsys.readouterr().out) == found["metrics"]

    other = tmp_path / "other.safetensors"
    weights.save(other, LRNNet(VARIANTS["c"]), {})
    assert train(*args, "--out", tmp_path / "third", "--init", other) == 2
    assert "0006R0 is held out, but" in capsys.readouterr().err
    assert lrnnet.evaluate.main([*evaluation, "--sequence", "0016E5"]) == 2
    assert "the sequences are 0001TP, 0006R0" in capsys.readouterr().err


def test_weights_that_say_nothing_need_names(camvid, tmp_path, capsys) -> None:
    file = tmp_path / "plain.safetensors"
    weights.save(file, LRNNet(VARIANTS["c"]), {"variant": "not JSON"})
    assert lrnnet.evaluate.main([str(file), "--data", str(camvid)]) == 2
    assert "give --variant and --dataset" in capsys.readouterr().err
    named = ["--variant", "c", "--dataset", "camvid", "--imgsz", "64x96"]
    assert lrnnet.evaluate.main([str(file), "--data", str(camvid), *named]) == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--epochs", 1, "--resume"), "--resume takes recipe and length from the checkpoint"),
        (("--resume",), "holds no checkpoint.pt"),
        (("--epochs", 1, "--config", "missing.toml"), "missing.toml: cannot be read"),
        (("--epochs", 1, "--init", "missing.safetensors"), "missing.safetensors: not a readable"),
        (("--epochs", 1, "--device", "gpu"), "--device gpu: expected cpu, cuda or cuda:N"),
    ],
)
def test_wrong_use_is_one_clear_line(camvid, tmp_path, capsys, args, message) -> None:
    assert train("--data", camvid, "--out", tmp_path / "run", *args) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_missing_gpu_is_an_error(camvid, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train("--data", camvid, "--out", tmp_path / "run", "--epochs", 1, "--device", "cuda") == 2
    assert "sees 0 CUDA device(s)" in capsys.readouterr().err


@pytest.mark.parametrize("args", [("--epochs", "-1"), ("--minutes", "inf"), ("--threads", "0"), ("--workers", "x")])
def test_numbers_must_be_above_zero(camvid, tmp_path, args) -> None:
    with pytest.raises(SystemExit):
        lrnnet.train.main(["--data", str(camvid), "--out", str(tmp_path / "run"), *args])


def test_a_loss_of_nan_ends_the_run_and_saves_nothing(camvid, tmp_path, capsys) -> None:
    model = LRNNet(VARIANTS["c"])
    torch.nn.init.constant_(model.classifier.predict.bias, math.nan)
    start, out = tmp_path / "nan.safetensors", tmp_path / "run"
    weights.save(start, model, {})
    assert train("--data", camvid, "--out", out, "--config", config(tmp_path), "--init", start) == 2
    assert "the loss is nan" in capsys.readouterr().err and not list(out.iterdir())
