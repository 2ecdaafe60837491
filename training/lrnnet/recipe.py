"""A training recipe: one TOML file per published model, checked when read."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrnnet.augment import AugmentConfig
from lrnnet.data import SPECS
from lrnnet.model import VARIANTS


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
    load_size: tuple[int, int] | None = None  # training pictures are scaled to this height and width when loaded
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


def from_dict(table: dict[str, Any], where: str) -> Recipe:
    """The recipe of a nested dictionary, as TOML and JSON give it."""
    table = dict(table)
    if "phases" in table:
        table["phases"] = [from_table(Phase, p, f"{where}, phases") for p in table["phases"]]
    if "augment" in table:
        table["augment"] = from_table(AugmentConfig, table["augment"], f"{where}, augment")
    recipe = from_table(Recipe, table, where)
    check(recipe, where)
    return recipe


def check(recipe: Recipe, where: str) -> None:
    for key, value, known in (
        ("data", recipe.data, SPECS),
        ("variant", recipe.variant, VARIANTS),
        ("decay", recipe.decay, ("cosine", "linear")),
    ):
        if value not in known:
            raise RecipeError(f"{where}: {key} is {value!r}; expected one of {', '.join(known)}")
    if any(p.height % 8 or p.width % 8 or p.batch < 1 for p in recipe.phases):
        raise RecipeError(f"{where}: every phase needs a height and width that are multiples of 8, and a batch")
    if not recipe.phases or recipe.phases[-1].until < 1:
        raise RecipeError(f"{where}: the last phase must have until = 1.0")


def parse(text: str, where: str) -> Recipe:
    try:
        return from_dict(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML: {error}") from error


def read(path: Path) -> Recipe:
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
