"""Copies of an evaluation set under shifts of light, sensor and view: how much does a model lean on its own streets?

    python shift.py CAMVID/val OUT          # OUT/{clean,dark,...}/{images,labels}
    for shift in OUT/*; do lrnnet-run eval --images $shift/images --labels $shift/labels; done

No substitute for pictures of other streets, but it tells apart weights that only know the training pictures' colours.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def per_pixel(change):
    """Applies a function of float values 0 to 255, `[h, w, 3]`, to a picture."""

    def apply(picture):
        values = change(np.asarray(picture, dtype=np.float32))
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    return apply


def gamma(exponent):
    return per_pixel(lambda values: 255 * (values / 255) ** exponent)


def gains(*rgb):
    return per_pixel(lambda values: values * np.array(rgb, dtype=np.float32))


def noise(values):
    return values + np.random.default_rng(0).normal(0, 14, values.shape)


PICTURE_SHIFTS = {
    "clean": lambda picture: picture,
    "bright": gamma(0.5),
    "dark": gamma(2.0),
    "warm": gains(1.2, 1.0, 0.75),
    "cold": gains(0.75, 1.0, 1.25),
    "flat": per_pixel(lambda values: (values - 128) * 0.5 + 110),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "noise": per_pixel(noise),
    "blur": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
}


def inner_half(image):
    """The middle of a picture or label, half as wide and high."""
    width, height = image.size
    return image.crop((width // 4, height // 4, width // 4 * 3, height // 4 * 3))


def write(folder, stem, picture, label):
    for kind, image in (("images", picture), ("labels", label)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image.save(folder / kind / f"{stem}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with images/ and labels/")
    parser.add_argument("out", type=Path, help="where the copies go")
    args = parser.parse_args()
    paths = sorted((args.data / "images").iterdir())
    if not paths:
        parser.error(f"{args.data / 'images'} holds no pictures")
    for path in paths:
        picture = Image.open(path).convert("RGB")
        label = Image.open(args.data / "labels" / f"{path.stem}.png")
        for name, shift in PICTURE_SHIFTS.items():
            write(args.out / name, path.stem, shift(picture), label)
        write(args.out / "zoom", path.stem, inner_half(picture), inner_half(label))


if __name__ == "__main__":
    main()
