"""Weights to ONNX files, from files and from memory."""

import logging
import subprocess
import sys

import lrnnet
import numpy as np
import onnx
import pytest
from PIL import Image
from safetensors.numpy import load_file

# What the file of the shipped weights says in its metadata, and a state dict does not.
KNOWN = {"variant": "c", "classes": "camvid", "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module")
def weights(root):
    return root / "models/lrnnet-c-camvid.safetensors"


@pytest.fixture(scope="module")
def state(weights):
    return load_file(weights)


def graph(path) -> onnx.GraphProto:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return model.graph


def test_weights_become_the_shipped_model(root, weights, tmp_path):
    path = tmp_path / "model.onnx"
    exported = lrnnet.export(weights, path, input="u8-nhwc")
    assert path.read_bytes() == (root / "models/lrnnet-c-camvid.onnx").read_bytes()
    assert (exported.path, exported.size, exported.has_selftest) == (path, path.stat().st_size, True)
    assert exported.verification and "verified" not in exported.verification


def test_a_state_dict_gives_the_graph_of_its_file(root, state, tmp_path):
    exported = lrnnet.export(state, tmp_path / "model.onnx", input="u8-nhwc", verify=False, **KNOWN)
    assert exported.notes == [] and exported.verification is None and not exported.has_selftest
    assert graph(tmp_path / "model.onnx") == graph(root / "models/lrnnet-c-camvid.onnx")


def test_tensors_of_pytorch_are_taken_without_importing_it(root, weights, tmp_path):
    """In a process of its own, as this one may have PyTorch imported."""
    code = (
        "import lrnnet, sys; from safetensors.numpy import load_file; "
        f"lrnnet.export(load_file({str(weights)!r}), {str(tmp_path / 'numpy.onnx')!r}, verify=False); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    state = load_file(weights)
    state["classifier.predict.weight"] = torch.nn.Parameter(state["classifier.predict.weight"])
    lrnnet.export({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "torch.onnx", verify=False)
    assert graph(tmp_path / "torch.onnx") == graph(tmp_path / "numpy.onnx")
    halves = {name: tensor.bfloat16() for name, tensor in state.items()}
    singles = {name: tensor.float() for name, tensor in halves.items()}
    lrnnet.export(halves, tmp_path / "half.onnx", verify=False)
    lrnnet.export(singles, tmp_path / "single.onnx", verify=False)
    assert graph(tmp_path / "half.onnx") == graph(tmp_path / "single.onnx") != graph(tmp_path / "torch.onnx")


@pytest.mark.parametrize("change", [">f4", "f8", "F"])
def test_byte_order_type_and_layout_of_arrays_do_not_matter(change, state, tmp_path):
    changed = {n: np.asfortranarray(a) if change == "F" else a.astype(change) for n, a in state.items()}
    lrnnet.export(changed, tmp_path / "changed.onnx", verify=False, **KNOWN)
    lrnnet.export(state, tmp_path / "plain.onnx", verify=False, **KNOWN)
    assert graph(tmp_path / "changed.onnx") == graph(tmp_path / "plain.onnx")


def test_what_is_assumed_is_noted_and_logged(state, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="lrnnet"):
        exported = lrnnet.export(state, tmp_path / "model.onnx", verify=False)
    assert len(exported.notes) == 3 and "normalisation of ImageNet assumed" in "".join(exported.notes)
    assert [record.getMessage() for record in caplog.records] == exported.notes


def test_options_reach_the_file(weights, tmp_path):
    def said(**options):
        lrnnet.export(weights, tmp_path / "model.onnx", verify=False, **options)
        segmenter = lrnnet.Segmenter(tmp_path / "model.onnx", "tract", batch=options.get("batch", 1))
        return segmenter.metadata, graph(tmp_path / "model.onnx")

    names = [f"class {i}" for i in range(11)]
    metadata, _ = said(classes=names, head="logits-8", form="basic", opset=11, size=(64, 128))
    assert (metadata["class_names"], metadata["head"], metadata["form"]) == (names, "logits-8", "basic")
    _, made = said(size="64x128", batch=2)
    assert [d.dim_value for d in made.input[0].type.tensor_type.shape.dim] == [2, 3, 64, 128]
    lrnnet.export(weights, tmp_path / "free.onnx", verify=False, size=(64, 128), batch="any")
    first, _, height, width = graph(tmp_path / "free.onnx").input[0].type.tensor_type.shape.dim
    assert (first.dim_param, height.dim_value, width.dim_value) == ("batch", 64, 128)
    metadata, made = said(size="dynamic", precision="fp16")
    assert metadata["precision"] == "fp16"
    assert [d.dim_param for d in made.input[0].type.tensor_type.shape.dim][2:] == ["height", "width"]


def test_int8_is_measured_on_pictures(weights, street, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, picture in enumerate([street, street[:, ::-1]]):
        Image.fromarray(picture).save(pictures / f"{number}.png")
    path = tmp_path / "int8.onnx"
    exported = lrnnet.export(weights, path, precision="int8", calibration=pictures, size=(64, 128), verify=False)
    assert any("calibration pictures: only 2" in note for note in exported.notes)
    assert any(node.op_type == "QuantizeLinear" for node in graph(path).node)


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    "change, options, error, words",
    [
        (lambda s: without(s, "encoder.0.conv.weight"), {}, lrnnet.WeightsError, "`encoder.0.conv.weight`"),
        (lambda s: s | {"extra": np.zeros(3, np.float32)}, {}, lrnnet.WeightsError, "`extra` [3] is not a tensor"),
        (lambda s: s | {"extra": np.zeros(3, np.complex64)}, {}, lrnnet.WeightsError, "complex64"),
        (lambda s: {}, {}, lrnnet.WeightsError, "no tensors"),
        (lambda s: {"state_dict": s}, {}, TypeError, "pass that alone"),
        (lambda s: {7: s}, {}, TypeError, "expected names"),
        (lambda s: 7, {}, TypeError, "expected a state dict"),
        (lambda s: "missing.pth", {}, lrnnet.WeightsError, "cannot take weights from `missing.pth`\ncaused by: "),
        (lambda s: s, {"variant": "d"}, lrnnet.ArgumentError, "expected a, b or c"),
        (lambda s: s, {"variant": "c", "block": "fcb"}, lrnnet.ArgumentError, "not both"),
        (lambda s: s, {"classes": ["road"]}, lrnnet.ArgumentError, "1 classes are named"),
        (lambda s: s, {"classes": "missing.txt"}, lrnnet.ClassesError, "missing.txt"),
        (lambda s: s, {"mean": (0.5, 0.5, 0.5)}, lrnnet.ArgumentError, "both or neither"),
        (lambda s: s, {"size": (100, 100)}, lrnnet.ArgumentError, "100"),
        (lambda s: s, {"size": "large"}, lrnnet.ArgumentError, "`large` is no size"),
        (lambda s: s, {"size": "dynamic", "batch": 2}, lrnnet.ArgumentError, "leave the batch of 2 out"),
        (lambda s: s, {"batch": "many"}, lrnnet.ArgumentError, "batch is `many`"),
        (lambda s: s, {"precision": "int8"}, lrnnet.ArgumentError, "a folder of pictures"),
        (lambda s: s, {"calibration": "x"}, lrnnet.ArgumentError, "only int8"),
        (lambda s: s, {"opset": 10}, lrnnet.ArgumentError, "10"),
        (lambda s: s, {"form": "fast"}, lrnnet.ArgumentError, "expected plain"),
    ],
)
def test_errors_have_their_kind_and_leave_nothing(change, options, error, words, state, tmp_path):
    with pytest.raises(error) as raised:
        lrnnet.export(change(state), tmp_path / "model.onnx", verify=False, **options)
    assert type(raised.value) is error and words in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_output_error(state, tmp_path):
    with pytest.raises(lrnnet.OutputError, match="cannot write"):
        lrnnet.export(state, tmp_path / "missing" / "model.onnx", verify=False)
