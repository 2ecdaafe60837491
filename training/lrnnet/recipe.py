"""A training recipe: one TOML file per published model, checked when read."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from lrnnet.augment import AugmentConfig
from lrnnet.config import VARIANTS, Config
from lrnnet.data import CAMVID, SPECS, STRICT, DataSpec

Side = Annotated[int, Field(gt=0, multiple_of=8)]
Share = Annotated[float, Field(ge=0, le=1)]
Variant = Literal[*VARIANTS]


class RecipeError(Exception):
    """A recipe that cannot be used; the message names the file and every wrong key."""


@dataclass(frozen=True, config=STRICT)
class Phase:
    """Crops of `height x width` in batches of `batch` while the progress is below `until`."""

    until: Share
    height: Side
    width: Side
    batch: Annotated[int, Field(gt=0)]


def known_data(value: Any) -> Any:
    """The name of a known data set stands for it."""
    if not isinstance(value, str):
        return value
    if value not in SPECS:
        raise ValueError(f"{value!r} is none of {', '.join(SPECS)}, and no table that describes a data set")
    return SPECS[value]


@dataclass(frozen=True, config=STRICT)
class Recipe:
    data: Annotated[DataSpec, BeforeValidator(known_data)] = CAMVID  # a name, or a table [data] of one's own
    train_split: str = "train+val"
    val_split: str = "val"
    load_size: tuple[int, int] | None = None  # training pictures are scaled to this height and width when loaded
    hold_out: str = ""  # a sequence (prefix of the file stem) taken out of training and used for validation
    variant: Variant = "c"
    seed: Annotated[int, Field(ge=0)] = 1
    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0  # if no length is named
    phases: tuple[Phase, ...] = (Phase(0.6, 288, 384, 8), Phase(1.0, 360, 480, 6))
    peak_rate: Annotated[float, Field(gt=0)] = 4e-3
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05  # share of the whole schedule
    decay: Literal["cosine", "linear"] = "cosine"  # both to zero
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2  # on convolution weights only
    clip: Annotated[float, Field(gt=0)] = 5.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    class_weighting: bool = False
    jaccard: Annotated[float, Field(ge=0)] = 0.5  # weight of the soft Jaccard loss beside cross-entropy
    focal: Annotated[float, Field(ge=0)] = 0.0  # exponent of the focal loss; 0: plain cross-entropy
    border: Annotated[float, Field(ge=0)] = 0.0  # how much more pixels near a border between two labels count
    auxiliary: Annotated[float, Field(ge=0)] = 0.0  # weight of the loss of a second classifier, on stage 2
    sequence_balance: Share = 0.0  # 0: every picture alike; 1: every sequence alike
    augment: AugmentConfig = AugmentConfig()

    @property
    def network(self) -> Config:
        """The variant, with the classes of the data."""
        return dataclasses.replace(VARIANTS[self.variant], classes=self.data.classes)

    @model_validator(mode="after")
    def check(self) -> Self:
        ends = [phase.until for phase in self.phases]
        if not ends or ends != sorted(set(ends)) or ends[-1] != 1:
            raise ValueError(f"the phases end at {ends}; expected rising shares of the schedule, the last until = 1.0")
        named = [*self.augment.paste_classes, self.augment.sky_class or 0]
        if max(named) >= self.data.classes:
            raise ValueError(f"augment names the class {max(named)}; the data has {self.data.classes} classes")
        return self


def from_dict(table: dict[str, Any], where: str) -> Recipe:
    """The recipe of a nested dictionary, as TOML and JSON give it; the inverse of `to_dict`."""
    try:
        return TypeAdapter(Recipe).validate_python(table)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{where}: {'; '.join(wrong)}") from error


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """For the metadata of weights and for checkpoints; a known data set is its name."""
    table = dataclasses.asdict(recipe)
    if recipe.data == SPECS.get(recipe.data.name):
        table["data"] = recipe.data.name
    return table


def table_of(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error


def read(path: Path) -> Recipe:
    """The recipe of a file; with `base = "OTHER.toml"`, a file beside it gives the top keys that this one lacks."""
    table = table_of(path)
    if isinstance(table.get("base"), str):
        table = table_of(path.parent / table.pop("base")) | table
    return from_dict(table, str(path))
