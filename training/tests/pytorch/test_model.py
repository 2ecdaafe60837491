"""The reference against the paper's totals, an independent implementation and the golden files."""

import dataclasses

import pytest
import safetensors.torch
import torch
from conftest import FIXTURES

import make_fixtures
from lrnnet import weights
from lrnnet.compare import largest_difference, share_of_others
from lrnnet.config import VARIANTS
from lrnnet.losses import SegmentationLoss
from lrnnet.model import LRNNet, WithAuxiliary, dominant_vectors, regions
from lrnnet.normalise import normalised
from lrnnet.shards import Shards
from lrnnet.weights import WeightsError

PARAMETERS = {"ss-nbt": 948_866, "a": 672_930} | dict.fromkeys(
    ("b", "c", "max", "mean", "s16", "s4", "s842", "nonlocal"), 681_442
)
TOLERANCE = 1e-4  # other processors round otherwise


def parameters(config) -> int:
    """Trained values: `u0` is a fixed vector and no parameter, as in the paper's totals."""
    return sum(p.numel() for p in LRNNet(config).parameters())


def test_parameter_totals_are_the_paper_s() -> None:
    found = {name: parameters(dataclasses.replace(VARIANTS[name], classes=19)) for name in PARAMETERS}
    assert found == PARAMETERS
    assert (parameters(VARIANTS["a"]), parameters(VARIANTS["c"])) == (672_666, 681_178)


def oracle() -> dict:
    return safetensors.torch.load_file(FIXTURES / "oracle" / "io-72x136.safetensors")


@pytest.mark.parametrize("variant", ["b", "c", "max", "mean", "s16", "s4", "s842", "nonlocal"])
@torch.inference_mode()
def test_agrees_with_the_independent_implementation(variant: str) -> None:
    expected, model = oracle(), LRNNet(VARIANTS[variant]).eval()
    weights.load(FIXTURES / "oracle" / "c-camvid.safetensors", model)
    x = normalised(expected["image"][None])
    logits8 = expected[f"c-camvid/{variant}/logits8"]
    assert largest_difference(model.logits8(x), logits8) <= TOLERANCE
    assert share_of_others(model(x).argmax(1), expected[f"c-camvid/{variant}/classes"]) <= TOLERANCE


def test_golden_files_are_what_the_model_gives() -> None:
    golden = safetensors.torch.load_file(FIXTURES / "golden.safetensors")
    wrong, keys = {}, set()
    for name in make_fixtures.CONFIGS:
        for size in make_fixtures.SIZES:
            for key, value in make_fixtures.golden_of(name, size).items():
                keys.add(key)
                compare = share_of_others if key.endswith("/classes") else largest_difference
                if (difference := compare(value, golden[key])) > TOLERANCE:
                    wrong[key] = difference
    assert not wrong, "run make_fixtures.py if the change is meant"
    assert keys == golden.keys()


def test_input_size_is_checked() -> None:
    with pytest.raises(ValueError, match="100x64.*multiples of 8, such as 96x64"):
        LRNNet()(torch.zeros(1, 3, 100, 64))


def test_the_auxiliary_classifier_leaves_the_network_as_it_is() -> None:
    network = LRNNet(VARIANTS["c"]).eval()
    both, x = WithAuxiliary(network).eval(), torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    logits, second = both(x)
    assert torch.equal(logits, network(x)) and second.shape == logits.shape
    reached = [
        n
        for n, p in network.named_parameters()
        if torch.autograd.grad(second.sum(), p, allow_unused=True, retain_graph=True)[0] is not None
    ]
    assert {name.split(".")[1] for name in reached} == {str(i) for i in range(7)}  # stages 1 and 2


def test_a_region_of_zeros_gives_a_zero_vector() -> None:
    u = dominant_vectors(torch.zeros(1, 4, 32, 6), torch.ones(32), 2)
    assert torch.equal(u, torch.zeros(1, 4, 32))


def test_regions_cut_rows_and_columns_and_pad_with_zeros() -> None:
    q = torch.arange(1.0, 16).view(1, 1, 3, 5)
    expected = [[1, 2, 3, 6, 7, 8], [4, 5, 0, 9, 10, 0], [11, 12, 13, 0, 0, 0], [14, 15, 0, 0, 0, 0]]
    assert regions(q, 2)[0, :, 0].tolist() == expected


def test_singular_vectors_are_those_of_svd() -> None:
    a = torch.randn(2, 3, 32, 20, generator=torch.Generator().manual_seed(1))
    found = dominant_vectors(a, torch.ones(32), 200)
    expected = torch.linalg.svd(a).U[..., 0]
    assert ((found * expected).sum(-1).abs() - 1).abs().max() < 1e-4


def test_shards_give_the_gradient_of_the_whole_batch() -> None:
    model = LRNNet(VARIANTS["a"]).eval()  # BN with fixed statistics, else the batch's cut matters
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 3, 32, 48, generator=generator)
    y = torch.randint(0, 12, (3, 32, 48), generator=generator)
    loss = SegmentationLoss(11, torch.linspace(1, 5, 11), jaccard=0.0)
    labelled = loss.labelled(y)

    def loss_of(m, a, b):
        logits = m(a)
        return loss(logits, b, labelled, len(a) / len(x)), logits

    found, logits = Shards(model, 2).backward(loss_of, x, y)
    whole = loss_of(model, x, y)
    gradients = torch.autograd.grad(whole[0], list(model.parameters()))
    assert abs(found - whole[0]) < 1e-4 * found and torch.allclose(logits, whole[1], atol=1e-4)
    for p, g in zip(model.parameters(), gradients, strict=True):
        assert (p.grad - g).abs().max() <= 1e-3 * g.abs().max()


def test_weight_files_that_do_not_fit_are_named(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    weights.save(path, LRNNet(VARIANTS["a"]), {})
    with pytest.raises(WeightsError, match=r"a\.safetensors: \d+ tensor\(s\) do not fit: missing svn"):
        weights.load(path, LRNNet(VARIANTS["c"]))
    with pytest.raises(WeightsError, match="classifier.predict.bias is \\(11,\\), expected \\(19,\\)"):
        weights.load(path, LRNNet(dataclasses.replace(VARIANTS["a"], classes=19)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights.load(path, LRNNet(VARIANTS["a"]))
