"""Write the golden files of `fixtures/`; `fixtures/README.md` says what each holds.

    python make_fixtures.py [--out ../fixtures] [--oracle DIR]

`--oracle` also copies the small part of an independent implementation's files that the tests use.
"""

import argparse
import dataclasses
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrnnet import synthetic
from lrnnet.config import VARIANTS
from lrnnet.model import LRNNet
from lrnnet.normalise import normalised
from lrnnet.weights import write_atomically

CONFIGS = dict(VARIANTS) | {"c19": dataclasses.replace(VARIANTS["c"], classes=19)}
SIZES = ((64, 128), (72, 136))
INNER = ("encoder.0", "encoder.1", "encoder.4", "encoder.5", "encoder.7", "encoder.8", "encoder.15", "svn")
INNER_STRIDE = 13  # inner tensors keep every 13th value; coprime to every width, so that all columns are met
LOGITS_STRIDE = 3  # full-size logits keep every 3rd row and column; coprime to 8, so all phases of the upsampling are
RESIZES = (
    ((5, 7), (16, 24)),
    ((45, 61), (24, 32)),
    ((30, 40), (23, 57)),
    ((33, 20), (40, 16)),
    ((64, 48), (32, 24)),
    ((1, 1), (3, 2)),
    ((12, 18), (12, 18)),
)


def save(path: Path, tensors: dict[str, Tensor]) -> None:
    tensors = {name: t.contiguous() for name, t in sorted(tensors.items())}
    write_atomically(path, lambda temporary: safetensors.torch.save_file(tensors, temporary))


def fill(model: nn.Module) -> None:
    """Give every parameter and buffer of the contract its synthetic value."""
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(synthetic.parameter(name, tuple(tensor.shape))))


def capture(model: LRNNet) -> dict[str, Tensor]:
    """A dictionary that the next forward pass fills with the inner tensors of the golden file."""
    found: dict[str, Tensor] = {}
    for name in INNER:
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
    model.svn.reduce_bn.register_forward_hook(lambda _m, _i, out: found.update({"svn.q": out}))
    return found


@torch.inference_mode()
def golden_of(name: str, size: tuple[int, int]) -> dict[str, Tensor]:
    model = LRNNet(CONFIGS[name]).eval()
    fill(model)
    inner = capture(model) if name == "c" else {}
    x = normalised(torch.from_numpy(synthetic.image(*size))[None])
    logits = model(x)
    key = f"{name}/{size[0]}x{size[1]}"
    golden = {f"{key}/logits8": model.logits8(x), f"{key}/classes": logits.argmax(1).to(torch.uint8)}
    if name == "c" and size == SIZES[0]:
        golden[f"{key}/logits"] = logits[..., ::LOGITS_STRIDE, ::LOGITS_STRIDE]
    elif name == "c":
        golden |= {f"{key}/{tensor}": value.flatten()[::INNER_STRIDE] for tensor, value in inner.items()}
        golden[f"{key}/svn.keys"] = model.svn.keys(inner["svn.q"])
    return golden


def write_golden(out: Path) -> None:
    golden: dict[str, Tensor] = {}
    for name in CONFIGS:
        for size in SIZES:
            golden |= golden_of(name, size)
    save(out / "golden.safetensors", golden)


def write_resize(out: Path) -> None:
    tensors = {}
    for (h, w), size in RESIZES:
        picture = torch.from_numpy(synthetic.image(h, w)).permute(2, 0, 1)[None].float()
        scaled = F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=False)
        tensors[f"{h}x{w}-{size[0]}x{size[1]}"] = scaled[0]
    save(out / "resize.safetensors", tensors)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (3, 1))
        self.bn = nn.BatchNorm2d(4)


def tiny_state() -> OrderedDict:
    """A real state dict whose values are multiples of 1/64 below 2: exact in every floating-point type."""
    state = Tiny().state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            values = synthetic.splitmix64(synthetic.fnv1a(name), tensor.numel()) % 127
            tensor.copy_(torch.from_numpy(values.astype("float32")).view(tensor.shape) / 64)
    return state


def cast(state: OrderedDict, dtype: torch.dtype) -> OrderedDict:
    return OrderedDict((name, t.to(dtype) if t.is_floating_point() else t) for name, t in state.items())


def one_storage(state: OrderedDict) -> OrderedDict:
    """The same tensors as views into one storage, so that most have an offset."""
    floats = {name: t for name, t in state.items() if t.is_floating_point()}
    whole = torch.cat([t.flatten() for t in floats.values()])
    parts = whole.split([t.numel() for t in floats.values()])
    return OrderedDict((name, p.view(t.shape)) for (name, t), p in zip(floats.items(), parts, strict=True))


def write_pth(out: Path) -> None:
    """Files of `torch.save`, every one holding the tensors of `expected.safetensors` in another manner."""
    state = tiny_state()
    strided = OrderedDict(
        (name, t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t) for name, t in state.items()
    )
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    files = {
        "bare": state,
        "state_dict": {"epoch": 3, "best": 0.5, "arch": "tiny", "state_dict": state, "optimizer": optimizer},
        "model": {"model": state, "step": 7},
        "model_state_dict": {"model_state_dict": state, "loss": None},
        "module_prefix": OrderedDict((f"module.{name}", t) for name, t in state.items()),
        "channels_last": strided,
        "one_storage": one_storage(state),
        "f16": cast(state, torch.float16),
        "bf16": cast(state, torch.bfloat16),
        "f64": cast(state, torch.float64),
    }
    files_in_order = [(name, value, True) for name, value in files.items()] + [("legacy", state, False)]
    with tempfile.TemporaryDirectory() as folder:
        for name, value, zipped in files_in_order:
            saved = Path(folder) / f"{name}.pth"  # the archive's inner folder is named after the file
            torch.save(value, saved, _use_new_zipfile_serialization=zipped)
            write_atomically(out / saved.name, lambda temporary, saved=saved: shutil.copyfile(saved, temporary))
    save(out / "expected.safetensors", {name: t for name, t in state.items() if t.is_floating_point()})


def copy_oracle(oracle: Path, out: Path) -> None:
    """The trained weights, and at 72 x 136 the picture, `logits8` and `classes` of everything computed with them."""
    tensors = safetensors.torch.load_file(oracle / "io-72x136.safetensors")
    kept = {
        name: t
        for name, t in tensors.items()
        if name == "image" or (name.startswith("c-camvid/") and name.endswith(("/logits8", "/classes", "/svn.keys")))
    }
    save(out / "io-72x136.safetensors", kept)
    save(out / "c-camvid.safetensors", safetensors.torch.load_file(oracle / "c-camvid.safetensors"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "fixtures")
    parser.add_argument("--oracle", type=Path, help="folder of the independent implementation's files")
    args = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    write_golden(args.out)
    write_resize(args.out)
    write_pth(args.out / "pth")
    if args.oracle:
        copy_oracle(args.oracle, args.out / "oracle")


if __name__ == "__main__":
    main()
