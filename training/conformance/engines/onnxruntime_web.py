"""onnxruntime-web's WebAssembly in Node.js; the page in a browser is tested by examples/web."""

import json
import shutil
import subprocess

from safetensors.numpy import load_file, save_file

from ..cases import ROOT
from . import Engine, Outputs, Programs, Task

PAGE = ROOT / "examples/web"


def engine(_: Programs) -> Engine:
    package = PAGE / "node_modules/onnxruntime-web/package.json"
    node = shutil.which("node")
    if node is None or not package.exists():
        raise RuntimeError("onnxruntime-web needs Node.js and `npm --prefix examples/web ci`")
    version = json.loads(package.read_text())["version"]
    return Engine("onnxruntime-web", version, "everything", Node(node).run)


class Node:
    """One process for all files, since WebAssembly takes seconds to compile."""

    def __init__(self, node: str) -> None:
        command = [node, PAGE / "test/run-file.js"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, task: Task) -> Outputs:
        feed, result = task.path.with_suffix(".feed.safetensors"), task.path.with_suffix(".result.safetensors")
        save_file({"image": task.image}, feed)
        print(json.dumps([str(task.path), str(feed), str(result)]), file=self.process.stdin, flush=True)
        said = self.process.stdout.readline().strip()
        if said != "done":
            raise RuntimeError(said or "Node.js ended")
        return load_file(result)
