"""Which files are checked: a covering set."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Rows of the paper's Tables 1 and 2 as the golden files call them: block, context, classes.
CONFIGS = {
    "a": ("fcb", "none", 11),
    "b": ("fcb", "svn:8", 11),
    "c": ("fcb", "svn:8,4", 11),
    "s16": ("fcb", "svn:16", 11),
    "s4": ("fcb", "svn:4", 11),
    "s842": ("fcb", "svn:8,4,2", 11),
    "max": ("fcb", "max:8", 11),
    "mean": ("fcb", "mean:8", 11),
    "nonlocal": ("fcb", "nonlocal", 11),
    "ss-nbt": ("ss-nbt", "none", 11),
    "non-bt-1d": ("non-bt-1d", "none", 11),
    "c19": ("fcb", "svn:8,4", 19),
}


@dataclass(frozen=True)
class Case:
    """One exported file. `trained` takes the CamVid weights, else the synthetic ones of `fixtures/README.md`."""

    config: str
    form: str = "deploy"
    head: str = "class-map"
    input: str = "f32-nchw"
    size: str = "72x136"  # what it runs at: 72 x 136 gives regions with padding, and regions of padding alone
    shape: str = "static"  # or "dynamic", or "batch": of a fixed size for any number of pictures
    precision: str = "fp32"
    opset: int = 17
    trained: bool = False

    def __str__(self) -> str:
        weights = "trained" if self.trained else "synthetic"
        return (
            f"{self.config} {self.form} {self.head} {self.input} {self.size} {self.shape} {self.precision} "
            f"opset {self.opset} {weights}"
        )


# A covering set: every row of the tables, and every pair of form, head, input and kind of shape.
CASES = [
    Case("c", trained=True, input="u8-nhwc"),
    Case("c", "plain", "logits", trained=True),
    Case("c", "deploy", "logits-8", trained=True),
    Case("c", "plain", "both", "u8-nhwc", trained=True),
    Case("c", "deploy", "logits", "u8-nhwc", trained=True, opset=13),
    Case("c", "plain", "class-map", trained=True, opset=18),
    Case("c", "deploy", "both", trained=True, opset=21),
    Case("b", "plain", "logits-8", "u8-nhwc", trained=True),
    Case("b", "deploy", "class-map", trained=True),
    Case("s16", "deploy", "logits", trained=True),
    Case("s4", "plain", "class-map", "u8-nhwc", trained=True),
    Case("s842", "deploy", "both", "u8-nhwc", trained=True),
    Case("max", "deploy", "logits-8", trained=True),
    Case("max", "plain", "class-map", "u8-nhwc", trained=True),
    Case("mean", "deploy", "class-map", "u8-nhwc", trained=True, opset=18),
    Case("mean", "plain", "logits", trained=True),
    Case("nonlocal", "deploy", "class-map", trained=True),
    Case("nonlocal", "plain", "logits-8", "u8-nhwc", trained=True),
    Case("a", "deploy", "class-map", "u8-nhwc"),
    Case("a", "plain", "both"),
    Case("ss-nbt", "deploy", "logits"),
    Case("ss-nbt", "plain", "class-map", "u8-nhwc"),
    Case("non-bt-1d", "deploy", "class-map"),
    Case("non-bt-1d", "plain", "logits-8", "u8-nhwc"),
    Case("c19", "deploy", "class-map", "u8-nhwc"),
    Case("c19", "plain", "logits"),
    Case("c", "deploy", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "plain", "logits", "f32-nchw", "64x128", "dynamic"),
    Case("c", "deploy", "logits-8", "f32-nchw", "64x128", "dynamic"),
    Case("c", "plain", "both", "u8-nhwc", "64x128", "dynamic"),
    Case("max", "deploy", "class-map", "f32-nchw", "64x128", "dynamic"),
    Case("mean", "deploy", "logits-8", "u8-nhwc", "64x128", "dynamic"),
    Case("nonlocal", "deploy", "both", "f32-nchw", "64x128", "dynamic"),
    Case("ss-nbt", "deploy", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "basic", "class-map", opset=11, trained=True),
    Case("s842", "basic", "both", "u8-nhwc", opset=12, trained=True),
    Case("max", "basic", "logits", opset=11, trained=True),
    Case("ss-nbt", "basic", "logits-8", opset=11),
    Case("c", "basic", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("c", "blocked", "class-map", "u8-nhwc", trained=True),
    Case("s842", "blocked", "both", trained=True, opset=13),
    Case("mean", "blocked", "logits-8", "u8-nhwc", trained=True, opset=11),
    Case("ss-nbt", "blocked", "logits", opset=21),
    Case("non-bt-1d", "blocked", "logits-8"),
    Case("c19", "blocked", "class-map", "u8-nhwc", "64x128", "dynamic"),
    Case("max", "blocked", "logits-8", "f32-nchw", "64x128", "dynamic"),
    Case("c", "blocked", "class-map", "u8-nhwc", precision="fp16", trained=True),
    Case("c", "deploy", "class-map", "u8-nhwc", precision="fp16", trained=True),
    Case("c", "plain", "logits-8", "f32-nchw", precision="fp16", trained=True),
    Case("a", "deploy", "logits", "f32-nchw", "64x128", "dynamic", "fp16"),
    Case("c", "dense", "class-map", trained=True),
    Case("ss-nbt", "dense", "logits", "u8-nhwc"),
    Case("c", "dense", "class-map", "u8-nhwc", precision="int8", trained=True),
    Case("c", "dense", "logits-8", "f32-nchw", precision="int8", trained=True, opset=13),
    Case("c", "dense", "logits", "u8-nhwc", precision="int8", trained=True, opset=21),
    Case("a", "dense", "class-map", "u8-nhwc", "64x128", "dynamic", "int8"),
    Case("ss-nbt", "dense", "logits", "f32-nchw", precision="int8"),
    Case("b", "deploy", "both", "f32-nchw", precision="int8", trained=True),
    Case("c", "deploy", "class-map", "u8-nhwc", shape="batch", trained=True),
    Case("c", "deploy", "logits-8", size="64x128"),
    Case("a", "basic", "logits-8"),
    Case("a", "blocked", "logits"),
]


def covering(cases: list[Case]) -> list[Case]:
    """Those in which some choice occurs for the first time, for engines that take long."""
    seen, chosen = set(), []
    for case in cases:
        choices = set(dataclasses.asdict(case).items()) | {(case.precision, case.input), (case.size, case.shape)}
        if not choices <= seen:
            chosen.append(case)
        seen |= choices
    return chosen
