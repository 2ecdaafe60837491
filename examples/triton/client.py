"""Segment pictures with a model that `lrnnet-export --triton` gave to a Triton Inference Server.

    python client.py street.png -o mask.png [--url localhost:8000] [--model lrnnet]

The mask is an 8-bit indexed PNG, index = class id. Input size, class names and colours come from the server.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from PIL import Image


class Segmenter:
    """A `u8-nhwc`, `class-map` model of fixed size on a server."""

    def __init__(self, url: str, model: str) -> None:
        self.client = triton.InferenceServerClient(url)
        self.model = model
        config = self.client.get_model_config(model)
        (image,) = config["input"]
        if image["data_type"] != "TYPE_UINT8" or min(map(int, image["dims"])) < 1:
            raise ValueError(f"{model} takes {image['data_type']} {image['dims']}; expected bytes of a fixed size")
        self.height, self.width, _ = map(int, image["dims"])
        parameters = {key: json.loads(value["string_value"]) for key, value in config["parameters"].items()}
        self.class_names: list[str] = parameters["class_names"]
        self.palette: list[list[int]] = parameters["palette"]

    def segment(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 `[n, h, w, 3]` of the model's size to class ids, uint8 `[n, h, w]`; n is at most the largest batch."""
        image = triton.InferInput("image", list(pictures.shape), "UINT8")
        image.set_data_from_numpy(np.ascontiguousarray(pictures))
        answer = self.client.infer(self.model, [image], outputs=[triton.InferRequestedOutput("class_map")])
        return answer.as_numpy("class_map")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the mask goes: a PNG")
    parser.add_argument("--url", default="localhost:8000", help="the server's HTTP address")
    parser.add_argument("--model", default="lrnnet", help="what the server calls the model")
    args = parser.parse_args()
    segmenter = Segmenter(args.url, args.model)
    with Image.open(args.picture) as opened:
        picture = opened.convert("RGB")
    # Between pixel centres, but antialiased where lrnnet-run is not, if the size differs.
    resized = picture.resize((segmenter.width, segmenter.height), Image.Resampling.BILINEAR)
    (ids,) = segmenter.segment(np.asarray(resized)[None])
    mask = Image.fromarray(ids).resize(picture.size, Image.Resampling.NEAREST)
    mask.putpalette([channel for color in segmenter.palette for channel in color])
    mask.save(args.output)
    shares = np.bincount(ids.ravel(), minlength=len(segmenter.class_names)) / ids.size
    for name, share in sorted(zip(segmenter.class_names, shares, strict=True), key=lambda entry: -entry[1]):
        print(f"{name:20} {100 * share:5.1f} %")


if __name__ == "__main__":
    main()
