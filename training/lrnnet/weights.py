"""Weight files: `.safetensors` with the contract's names, written atomically."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

BIAS = "classifier.predict.bias"  # of the last layer, where constants are added to the logits
OFFSETS = "logit_offsets"  # the metadata that say them, by class


class WeightsError(Exception):
    """A weight file that does not fit; the message names the file and the tensors."""


def write_atomically(path: Path, write: Callable[[str], None]) -> None:
    """`write(temporary)` in the folder of `path`, then fsync and rename, so nothing partial is ever at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp gives 0600
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def contract(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict as float32 on the CPU without `num_batches_tracked`, which the contract does not have."""
    kept = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    return {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in kept.items()}


def save(path: Path, model: nn.Module, metadata: dict[str, str]) -> None:
    tensors = contract(model.state_dict())
    write_atomically(path, lambda temporary: safetensors.torch.save_file(tensors, temporary, metadata))


def metadata(path: Path) -> dict[str, Any]:
    """The file's metadata, every value read as the JSON it is; what is no JSON, another program wrote, is left out."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            texts = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
    found = {}
    for key, text in texts.items():
        with contextlib.suppress(json.JSONDecodeError):
            found[key] = json.loads(text)
    return found


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file as float32, whatever they are stored as."""
    try:
        found = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
    return {name: tensor.to(torch.float32) for name, tensor in found.items()}


def as_trained(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata as training left them: without the constants that `lrnnet.adjust` has added."""
    tensors, said = read(path), metadata(path)
    if OFFSETS not in said:
        return tensors, said
    offsets, classes = said.pop(OFFSETS), said.get("classes")
    try:
        added = torch.tensor([float(offsets[name]) for name in classes])
        tensors[BIAS] = tensors[BIAS] - added.reshape(tensors[BIAS].shape)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: {OFFSETS} in its metadata are {offsets!r}; expected a number for each of the classes {classes}"
        ) from error
    return tensors, said


def load(path: Path, model: nn.Module) -> None:
    """Fill `model` from a `.safetensors` file, every tensor and no other."""
    fill(model, read(path), path)


def fill(model: nn.Module, found: dict[str, Tensor], path: Path) -> None:
    """Fill `model` with what was read from `path`, every tensor and no other."""
    wanted = contract(model.state_dict())
    problems = [f"missing {name}" for name in wanted.keys() - found.keys()]
    problems += [f"unexpected {name}" for name in found.keys() - wanted.keys()]
    problems += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(t.shape)}"
        for name, t in wanted.items()
        if name in found and found[name].shape != t.shape
    ]
    if problems:
        raise WeightsError(f"{path}: {len(problems)} tensor(s) do not fit: {'; '.join(sorted(problems)[:8])}")
    model.load_state_dict(found, strict=False)
