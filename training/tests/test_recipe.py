"""Recipes and the schedule that follows from them."""

import dataclasses
import json
from pathlib import Path

import pytest

from lrnnet import recipe
from lrnnet.data import CAMVID, CITYSCAPES
from lrnnet.recipe import Recipe, RecipeError
from lrnnet.schedule import Budget, decay_at, phase_at, rate_at

TRAINING = Path(__file__).parent.parent


def test_the_schedule() -> None:
    chosen = Recipe(peak_rate=1.0, warm_up=0.1)
    assert [round(rate_at(p, chosen), 3) for p in (0, 0.05, 0.1, 0.55, 1)] == [0, 0.5, 1, 0.5, 0]
    assert phase_at(0.59, chosen) == chosen.phases[0] and phase_at(1.0, chosen) == chosen.phases[1]
    assert [decay_at(step, Recipe(ema=0.99)) for step in (0, 8, 890, 10**6)] == [0.1, 0.5, 0.99, 0.99]
    by_clock = Budget(seconds=100)
    by_clock.advance(8, 25)
    by_images = Budget(images=16)
    by_images.advance(8, 25)
    assert (by_clock.progress, by_images.progress) == (0.25, 0.5)


@pytest.mark.parametrize("path", sorted((TRAINING / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_published_recipes_are_valid(path) -> None:
    recipe.read(path)


def test_the_hold_out_tries_the_published_recipe() -> None:
    published, hold_out = (recipe.read(TRAINING / f"configs/camvid-{name}.toml") for name in ("c", "holdout"))
    assert hold_out == dataclasses.replace(published, train_split="train", hold_out="0006R0")


def test_a_recipe_comes_back_from_its_dictionary() -> None:
    for data_set in (CAMVID, CITYSCAPES):
        chosen = Recipe(data=data_set, load_size=(32, 64))
        assert recipe.from_dict(json.loads(json.dumps(recipe.to_dict(chosen))), "x") == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate = 1", "x.toml: rate: Unexpected"),
        ("[augment]\nzoom = 2", "augment.zoom: Unexpected"),
        ("[augment]\nscale = 1", "augment.scale: "),
        ("[augment]\nsky_class = 30", "names the class 30; the data has 11"),
        ('decay = "poly"', "decay: Input should be 'cosine' or 'linear'"),
        ('variant = "d"', "variant: Input should be 'a', 'b'"),
        ('data = "kitti"', "data: .*'kitti' is none of camvid, cityscapes"),
        (
            '[data]\nname = "x"\nclass_names = ["a"]\npalette = [[1, 2, 3]]\ntrained_size = [8, 8]\nignore = 0',
            "id of a",
        ),
        ("warm_up = 1.0", "warm_up: Input should be less than 1"),
        ("epochs = inf", "epochs: Input should be a finite number"),
        ("[[phases]]\nuntil = 1.0", "phases.0.height: Field required"),
        (
            "[[phases]]\nuntil = 1.0\nheight = 30\nwidth = 32\nbatch = 2",
            "phases.0.height: Input should be a multiple of 8",
        ),
        ("[[phases]]\nuntil = 0.5\nheight = 32\nwidth = 32\nbatch = 2", "the last until = 1.0"),
        ("base = 1", "base: Unexpected"),
        ('base = "missing.toml"', "missing.toml: cannot be read"),
        ('base = "x.toml"', "base: Unexpected"),
        ("=", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_names_its_key(tmp_path, text, message) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        recipe.read(path)
