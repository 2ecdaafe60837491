"""The device that a program is asked to run on."""

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
