"""What network: every variant and ablation of the paper's Tables 1 and 2. Needs no PyTorch."""

from dataclasses import dataclass

MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in [0, 1]: ImageNet's, stored with every model
STD = (0.229, 0.224, 0.225)

BLOCKS = ("fcb", "ss-nbt", "non-bt-1d")
CONTEXTS = ("none", "svn", "max", "mean", "nonlocal")


@dataclass(frozen=True)
class Config:
    """One row of the paper's Tables 1 and 2.

    `scales` are the region counts per side of the reduced non-local block: `(8,)` cuts the map into 8 x 8
    regions. `power_iters` is T of Algorithm 1 and matters for `context="svn"` only.
    """

    classes: int = 11
    block: str = "fcb"
    context: str = "svn"
    scales: tuple[int, ...] = (8, 4)
    power_iters: int = 2

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise ValueError(f"block is {self.block!r}; expected one of {', '.join(BLOCKS)}")
        if self.context not in CONTEXTS:
            raise ValueError(f"context is {self.context!r}; expected one of {', '.join(CONTEXTS)}")
        if not 1 <= self.classes <= 255:
            raise ValueError(f"classes is {self.classes}; expected 1 to 255")
        if self.context in ("svn", "max", "mean") and not self.scales:
            raise ValueError(f"context {self.context!r} needs at least one scale")
        if any(k < 1 for k in self.scales) or self.power_iters < 1:
            raise ValueError(f"scales {self.scales} and power_iters {self.power_iters} must be at least 1")

    @property
    def context_word(self) -> str:
        """The context as `lrnnet-export --context` names it, such as `svn:8,4`."""
        return f"{self.context}:{','.join(map(str, self.scales))}" if self.scales else self.context


VARIANTS = {
    "a": Config(context="none", scales=()),
    "b": Config(scales=(8,)),
    "c": Config(scales=(8, 4)),
    "ss-nbt": Config(block="ss-nbt", context="none", scales=()),
    "non-bt-1d": Config(block="non-bt-1d", context="none", scales=()),
    "max": Config(context="max", scales=(8,)),
    "mean": Config(context="mean", scales=(8,)),
    "s16": Config(scales=(16,)),
    "s4": Config(scales=(4,)),
    "s842": Config(scales=(8, 4, 2)),
    "nonlocal": Config(context="nonlocal", scales=()),
}
