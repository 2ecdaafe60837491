"""Pictures to masks: the same as the program makes, from arrays of any layout."""

import pickle
import subprocess
import sys
import threading
import time
import tracemalloc

import lrnnet
import numpy as np
import onnx
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def segmenter() -> lrnnet.Segmenter:
    return lrnnet.Segmenter(device="cpu")


@pytest.mark.parametrize("device", ["cpu", "tract"])
def test_a_mask_is_that_of_the_program(device, street, program_mask, library):
    odd = np.ascontiguousarray(street[3:, :401])
    segmenter = lrnnet.Segmenter(device=device)
    for picture in [street, odd]:
        mask = segmenter.segment(picture)
        assert mask.dtype == np.uint8 and mask.shape == picture.shape[:2]
        expected = program_mask(picture, "--device", device, "--ort-lib", str(library))
        assert np.array_equal(mask, expected)
        assert len(np.unique(mask)) > 3, "a street has several classes"


def test_the_int8_model_is_that_of_the_program(street, program_mask, library):
    mask = lrnnet.Segmenter(device="cpu", precision="int8").segment(street)
    expected = program_mask(street, "--device", "cpu", "--precision", "int8", "--ort-lib", str(library))
    assert np.array_equal(mask, expected)


def test_a_model_file_and_its_bytes_are_the_same(root, street):
    path = root / "models/lrnnet-c-camvid.onnx"
    masks = [lrnnet.Segmenter(model, "tract").segment(street) for model in [path, str(path), path.read_bytes()]]
    assert np.array_equal(masks[0], masks[1]) and np.array_equal(masks[0], masks[2])


def padded(picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    rows = np.full((height, width + 5, 3), 255, np.uint8)
    rows[:, :width] = picture
    return rows[:, :width]


# How a picture lies in memory, and whether that can be taken without a copy.
LAYOUTS = {
    "packed": (lambda p: p.copy(), True),
    "rows with padding": (padded, True),
    "BGR turned round": (lambda p: p[:, :, ::-1].copy()[:, :, ::-1], True),
    "BGR rows with padding": (lambda p: padded(p[:, :, ::-1])[:, :, ::-1], True),
    "RGBA without A": (lambda p: np.dstack([p, p[:, :, 0]])[:, :, :3], False),
    "upside down": (lambda p: p[::-1].copy()[::-1], False),
    "mirrored": (lambda p: p[:, ::-1].copy()[:, ::-1], False),
    "columns first": (lambda p: np.asfortranarray(p), False),
    "planes": (lambda p: np.moveaxis(np.moveaxis(p, 2, 0).copy(), 0, 2), False),
    "every second": (lambda p: np.repeat(np.repeat(p, 2, 0), 2, 1)[::2, ::2], False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides_give_the_same_mask_and_rows_are_not_copied(layout, segmenter, street):
    arrange, borrowed = LAYOUTS[layout]
    picture = arrange(street)
    assert np.array_equal(picture, street)
    mask = np.empty(street.shape[:2], np.uint8)
    tracemalloc.start()
    try:
        segmenter.segment(picture, out=mask)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(mask, segmenter.segment(street.copy()))
    assert (peak < street.nbytes // 2) == borrowed, f"{peak} bytes for a picture of {street.nbytes}"


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_small_pictures_in_all_layouts(height, width, segmenter, street):
    small = street[200 : 200 + height, 100 : 100 + width].copy()
    expected = segmenter.segment(small)
    assert expected.shape == (height, width)
    for name, (arrange, _) in LAYOUTS.items():
        assert np.array_equal(segmenter.segment(arrange(small)), expected), name


def test_a_read_only_array_is_a_picture(segmenter, street):
    frozen = street.copy()
    frozen.flags.writeable = False
    assert np.array_equal(segmenter.segment(frozen), segmenter.segment(street.copy()))


def test_out_is_filled_and_given_back(segmenter, street):
    out = np.full(street.shape[:2], 255, np.uint8)
    assert segmenter.segment(street, out) is out
    assert np.array_equal(out, segmenter.segment(street))
    for wrong in [np.empty((480, 360), np.uint8), np.empty((360, 960), np.uint8)[:, ::2]]:
        with pytest.raises(lrnnet.ArgumentError, match=r"expected a contiguous \[360, 480\]"):
            segmenter.segment(street, wrong)
    both = np.zeros((360, 480, 4), np.uint8)
    with pytest.raises(lrnnet.ArgumentError, match="shares memory"):
        segmenter.segment(both[:, :, :3], both.reshape(-1)[: 360 * 480].reshape(360, 480))
    with pytest.raises(TypeError):
        segmenter.segment(street, np.empty(street.shape[:2], np.float32))


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros((8, 8, 3), np.float32), "found float32 of shape [8, 8, 3]"),
        (np.zeros((8, 8), np.uint8), "found uint8 of shape [8, 8]"),
        (np.zeros((8, 8, 4), np.uint8), "found uint8 of shape [8, 8, 4]"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (np.zeros((8, 0, 3), np.uint8), "no pixels"),
    ],
)
def test_what_is_no_picture_is_refused(array, words, segmenter):
    with pytest.raises(lrnnet.PictureError) as error:
        segmenter.segment(array)
    assert words in str(error.value)


@pytest.mark.parametrize("value", [None, [[[0, 0, 0]]], b"abc", "street.png"])
def test_what_is_no_array_is_a_type_error(value, segmenter):
    with pytest.raises(TypeError, match="expected a uint8 array"):
        segmenter.segment(value)


def test_batches_give_the_masks_of_single_pictures(tmp_path, root, street):
    model = tmp_path / "dynamic.onnx"
    lrnnet.export(root / "models/lrnnet-c-camvid.safetensors", model, size="dynamic", input="u8-nhwc", verify=False)
    pictures = [street, street[:, ::-1], street[::-1], street[:, :, ::-1], street[::-1, ::-1]]
    one, two = lrnnet.Segmenter(model, "cpu"), lrnnet.Segmenter(model, "cpu", batch=2)
    assert (one.batch, two.batch) == (1, 2)
    singles = [one.segment(picture) for picture in pictures]
    for batches in [pictures, np.stack(pictures), iter(pictures)]:
        masks = two.segment_batch(batches)
        agree = [np.mean(mask == single) for mask, single in zip(masks, singles, strict=True)]
        assert min(agree) > 0.9999, agree
    assert two.segment_batch([]) == []
    with pytest.raises(lrnnet.PictureError):
        two.segment_batch([street, street[0]])


def test_picture_files_are_read_and_mask_files_written(root, segmenter, street, tmp_path):
    path = root / "fixtures/street.png"
    for source in [path, str(path), path.read_bytes()]:
        assert np.array_equal(lrnnet.read_picture(source), street)
    mask = segmenter.segment(street)
    segmenter.save_mask(mask, tmp_path / "mask.png")
    written = Image.open(tmp_path / "mask.png")
    assert written.mode == "P" and np.array_equal(np.asarray(written), mask)
    assert written.getpalette()[: 3 * 11] == segmenter.palette.ravel().tolist()
    segmenter.save_mask(mask, tmp_path / "mask.png", style="color")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")), segmenter.palette[mask])


def test_files_that_cannot_be_read_or_written_are_errors(segmenter, tmp_path):
    for source in ["missing.png", b"no picture", b""]:
        with pytest.raises(lrnnet.PictureError):
            lrnnet.read_picture(source)
    mask = np.zeros((2, 3), np.uint8)
    with pytest.raises(lrnnet.OutputError, match="cannot write"):
        segmenter.save_mask(mask, tmp_path / "missing" / "mask.png")
    with pytest.raises(lrnnet.ArgumentError, match="no mask style"):
        segmenter.save_mask(mask, tmp_path / "mask.png", "fancy")
    with pytest.raises(lrnnet.ArgumentError, match="class id 11, but the model has 11"):
        segmenter.save_mask(mask + 11, tmp_path / "mask.png")
    assert list(tmp_path.iterdir()) == []


def test_the_model_describes_itself(segmenter):
    assert segmenter.class_names[3] == "Road" and len(segmenter.class_names) == 11
    assert segmenter.palette.dtype == np.uint8 and segmenter.palette.shape == (11, 3)
    assert segmenter.palette[3].tolist() == [128, 64, 128]
    metadata = segmenter.metadata
    assert metadata["class_names"] == segmenter.class_names
    assert metadata["trained_size"] == [360, 480] and metadata["variant"] == "c"
    assert (segmenter.device, segmenter.batch, segmenter.passed_over) == ("cpu", 1, [])
    assert "ONNX Runtime" in segmenter.runtime and "ONNX Runtime" in repr(segmenter)


def test_auto_says_what_it_passed_over(street, segmenter):
    auto = lrnnet.Segmenter()
    assert auto.device not in [device for device, _ in auto.passed_over]
    assert all(reason for _, reason in auto.passed_over)
    if auto.device == "cpu":
        assert [device for device, _ in auto.passed_over] == ["cuda:0"]
        assert np.array_equal(auto.segment(street), segmenter.segment(street))


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"device": "gpu"}, "ArgumentError", "is no device"),
        ({"device": "tract:1"}, "ArgumentError", ""),
        ({"model": "missing.onnx"}, "ModelError", "cannot use the model missing.onnx\ncaused by: "),
        ({"model": b"no model"}, "ModelError", "given as bytes"),
        ({"precision": "fp8"}, "ArgumentError", "expected fp32, fp16 or int8"),
        ({"precision": "fp16"}, "ModelError", "no model of its own in fp16"),
        ({"precision": "int8", "model": "x.onnx"}, "ArgumentError", "a file has its own"),
        ({"size": (64, 64)}, "ArgumentError", "360x480 is fixed"),
        ({"batch": 2}, "ArgumentError", "takes 1 pictures at a time, not 2"),
        ({"batch": 0}, "ArgumentError", "batch is 0"),
        ({"threads": 0, "device": "cpu"}, "ArgumentError", "threads is 0"),
        ({"library": "/missing.so", "device": "cpu"}, "DeviceError", "/missing.so"),
        ({"device": "cuda:7"}, "DeviceError", "cuda:7"),
    ],
)
def test_errors_have_their_kind(arguments, error, words):
    with pytest.raises(lrnnet.Error) as raised:
        lrnnet.Segmenter(**arguments)
    assert type(raised.value) is getattr(lrnnet, error), raised.value
    assert words in str(raised.value)


def test_an_error_can_cross_processes():
    error = pickle.loads(pickle.dumps(lrnnet.ModelError("no model")))
    assert type(error) is lrnnet.ModelError and str(error) == "no model"


def test_other_threads_run_while_a_network_does(street):
    """With the interpreter's lock held, a thread that only sleeps would wake once per run."""
    segmenter = lrnnet.Segmenter(device="tract", threads=1)
    done, woken = threading.Event(), 0
    worker = threading.Thread(target=lambda: (segmenter.segment(street), done.set()))
    worker.start()
    while not done.is_set():
        time.sleep(0.001)
        woken += 1
    worker.join()
    assert woken > 5


def test_threads_may_share_a_segmenter(segmenter, street):
    pictures = [street, street[:, ::-1].copy(), street[::-1].copy()]
    expected = [segmenter.segment(picture) for picture in pictures]
    failures = []

    def work(number: int) -> None:
        for i in range(6):
            which = (number + i) % 3
            if not np.array_equal(segmenter.segment(pictures[which]), expected[which]):
                failures.append((number, i))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_onnx_runtime_of_the_wheel_is_found_and_not_imported():
    code = (
        "import lrnnet, sys; s = lrnnet.Segmenter(device='cpu'); "
        "assert 'onnxruntime' not in sys.modules; import onnxruntime; "
        "maps = open('/proc/self/maps').read(); assert onnxruntime.__path__[0] + '/capi/libonnxruntime.so' in maps"
    )
    environment = {"PATH": "/usr/bin:/bin", "LRNNET_HOME": "/nonexistent"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_it_works_beside_onnxruntime_in_one_process(root, street):
    import onnxruntime

    session = onnxruntime.InferenceSession(root / "models/lrnnet-c-camvid.onnx", providers=["CPUExecutionProvider"])
    (ids,) = session.run(None, {"image": street[None]})
    mask = lrnnet.Segmenter(device="cpu").segment(street)
    assert np.mean(mask == ids[0]) > 0.9999


def test_a_model_of_a_stranger_is_taken_only_where_it_is_trusted(root, street, segmenter, tmp_path):
    model = onnx.load(root / "models/lrnnet-c-camvid.onnx")
    model.graph.node.append(onnx.helper.make_node("Abs", [model.graph.output[0].name], ["more"], name="stranger"))
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    with pytest.raises(lrnnet.ModelError, match="stranger"):
        lrnnet.Segmenter(path, "cpu")
    trusted = lrnnet.Segmenter(path, "cpu", trust_model=True)
    assert np.mean(trusted.segment(street) == segmenter.segment(street)) >= 0.9999
