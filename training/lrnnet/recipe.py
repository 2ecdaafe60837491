"""A training recipe: one TOML file per published model, checked when read."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrnnet.augment import AugmentConfig


class RecipeError(Exception):
    """A recipe file that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Phase:
    """Crops of `height x width` in batches of `batch` while the progress (0 to 1) is below `until`."""

    until: float
    height: int
    width: int
    batch: int


@dataclass(frozen=True)
class Recipe:
    data: str = "camvid"
    train_split: str = "train+val"
    val_split: str = "val"
    hold_out: str = ""  # a sequence (prefix of the file stem) taken out of training and used for validation
    variant: str = "c"
    seed: int = 1
    phases: tuple[Phase, ...] = (Phase(0.6, 288, 384, 8), Phase(1.0, 360, 480, 6))
    peak_rate: float = 4e-3
    warm_up: float = 0.05  # share of the whole schedule
    decay: str = "cosine"  # or "linear", both to zero
    weight_decay: float = 1e-2  # on convolution weights only
    clip: float = 5.0
    ema: float = 0.998
    dropout: float = 0.1
    class_weighting: bool = True
    jaccard: float = 0.0  # weight of the soft Jaccard loss beside cross-entropy
    sequence_balance: float = 0.0  # 0: every picture alike; 1: every sequence alike
    augment: AugmentConfig = field(default_factory=AugmentConfig)


def from_table(cls: type, table: dict[str, Any], where: str) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(table.keys() - known)
    if unknown:
        raise RecipeError(f"{where}: unknown key(s) {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def parse(text: str, where: str) -> Recipe:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML: {error}") from error
    if "phases" in table:
        table["phases"] = [from_table(Phase, p, f"{where}, phases") for p in table["phases"]]
    if "augment" in table:
        table["augment"] = from_table(AugmentConfig, table["augment"], f"{where}, augment")
    recipe = from_table(Recipe, table, where)
    if recipe.decay not in ("cosine", "linear"):
        raise RecipeError(f'{where}: decay is {recipe.decay!r}; expected "cosine" or "linear"')
    if any(p.height % 8 or p.width % 8 for p in recipe.phases):
        raise RecipeError(f"{where}: the height and width of every phase must be multiples of 8")
    if not recipe.phases or recipe.phases[-1].until < 1:
        raise RecipeError(f"{where}: the last phase must have until = 1.0")
    return recipe


def read(path: Path) -> Recipe:
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
