"""The device that a program is asked to run on, and what it trains in there."""

import torch


class DeviceError(Exception):
    """A device that is not there; the message says which are."""


def checked(name: str) -> str:
    """`name` if PyTorch can run there: `cpu`, `cuda` or `cuda:N`."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: expected cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"--device {name}: expected cpu, cuda or cuda:N")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= found:
        raise DeviceError(f"--device {name}: PyTorch {torch.__version__} sees {found} CUDA device(s) here")
    return name


def training_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on GPUs and on CPUs that have instructions for it, else float32, which is faster than to emulate it."""
    capabilities = torch.cpu.get_capabilities().items()
    native = device.type != "cpu" or any(there for name, there in capabilities if "bf16" in name)
    return torch.bfloat16 if native else torch.float32
