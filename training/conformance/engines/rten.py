"""rten, in the program of the folder `rten`."""

import re
import subprocess
from functools import partial

from ..cases import ROOT
from . import Engine, Programs, program

SOURCE = ROOT / "training/conformance/engines/rten"
BUILT = ROOT / "target/rten"


def engine(_: Programs) -> Engine:
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", BUILT]
    subprocess.run(build, cwd=SOURCE, check=True)
    version = re.search(r'name = "rten"\nversion = "(.+)"', (SOURCE / "Cargo.lock").read_text())[1]
    return Engine("rten", version, "everything but int8", partial(program.run, [BUILT / "release/run-rten"]))
