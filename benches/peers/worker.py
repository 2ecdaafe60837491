"""One row in a process of its own: says what it computes, then times one turn for every line it reads.

    python worker.py ROW FILE PICTURE.png THREADS MASK.npy [LRNNET_RUN]

Prints `ready`, then a turn's median in milliseconds for every number of runs that it reads. A turn begins with an
untimed run, because the row before has left its own data in the caches.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training"))

Turn = Callable[[int], float]


def main() -> None:
    row, file, picture, threads, mask = sys.argv[1:6]
    engine = row.partition(":")[0]
    if engine.startswith("run"):
        turn, ids = program(sys.argv[6], "tract" if engine == "run-tract" else "cpu", file, picture, threads)
    else:
        pixels = np.asarray(Image.open(picture).convert("RGB"))
        run, ids = (onnxruntime if engine == "ort" else openvino)(engine, file, pixels, int(threads))
        turn = timed(run)
    np.save(mask, ids)
    print("ready", flush=True)
    for line in sys.stdin:
        print(turn(int(line)), flush=True)


def timed(run: Callable[[], object]) -> Turn:
    def turn(runs: int) -> float:
        run()
        times = []
        for _ in range(runs):
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) * 1000)
        return statistics.median(times)

    return turn


def onnxruntime(_: str, file: str, picture: np.ndarray, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {"image": fed(picture, "uint8" in session.get_inputs()[0].type)}
    return lambda: session.run(None, feed), ids_of(session.run(None, feed)[0])


def openvino(engine: str, file: str, picture: np.ndarray, threads: int):
    import openvino

    precision = "bf16" if engine == "openvino-bf16" else "f32"
    hints = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.Core().compile_model(file, "CPU", hints)
    request = model.create_infer_request()
    feed = {"image": fed(picture, model.inputs[0].element_type == openvino.Type.u8)}
    ids = ids_of(np.array(request.infer(feed)[model.outputs[0]]))
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True), ids


def fed(picture: np.ndarray, bytes_in: bool) -> np.ndarray:
    from reference import normalised

    return np.ascontiguousarray(picture[None]) if bytes_in else normalised(picture)


def ids_of(output: np.ndarray) -> np.ndarray:
    """The class map of an output that is one already, or logits at an eighth of the size. Not timed."""
    from reference import classes_of

    return classes_of(output) if output.ndim == 4 else output[0].astype(np.uint8)


def program(binary: str, device: str, file: str, picture: str, threads: str) -> tuple[Turn, np.ndarray]:
    """`lrnnet-run`: its own clock around pre, infer and post; each turn is a process with warm-up runs of its own."""
    common = ["-m", file, "--device", device, "--threads", threads]

    def turn(runs: int) -> float:
        command = [binary, "bench", *common, "--image", picture, "--iters", str(runs), "--json", "-"]
        return json.loads(checked(command))["rows"][0]["p50_ms"]

    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.png"
        checked([binary, picture, *common, "-o", str(mask), "--mask", "gray", "-q"])
        return turn, np.asarray(Image.open(mask))


def checked(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} exits with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
