import numpy as np
import pytest
from conftest import drawn_image, drawn_label
from PIL import Image

from lrnnet import data
from lrnnet.augment import AugmentConfig, augmented_batch, paste_rare, replace_sky, warp
from lrnnet.batches import Batches, sampling_odds
from lrnnet.data import CAMVID, CITYSCAPES, DataError
from lrnnet.recipe import Phase, Recipe


def test_camvid_folders(camvid) -> None:
    samples = data.load(camvid, "train+val", CAMVID)
    assert len(samples) == 8
    assert samples[0].name == "0001TP_000000" and samples[0].image.shape == (64, 96, 3)
    assert np.array_equal(samples[0].label, drawn_label(CAMVID, 0, (64, 96)))


def test_cityscapes_folders(cityscapes) -> None:
    train, val = (data.load(cityscapes, split, CITYSCAPES) for split in ("train", "val"))
    assert [s.name for s in train + val] == [f"{c}_000000_000019" for c in ("aachen", "bochum", "ulm")]
    assert set(np.unique(train[0].label)) <= set(range(19)) | {255}
    small = data.load(cityscapes, "val", CITYSCAPES, size=(32, 64))[0]
    assert small.image.shape == (32, 64, 3) and small.label.shape == (32, 64)


def spoil_partner(root):
    (root / "train/labels/0001TP_000001.png").unlink()


def spoil_id(root):
    Image.fromarray(np.full((64, 96), 12, np.uint8)).save(root / "train/labels/0001TP_000001.png")


def spoil_size(root):
    Image.fromarray(np.zeros((64, 95), np.uint8)).save(root / "train/labels/0001TP_000001.png")


def spoil_kind(root):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(root / "train/labels/0001TP_000001.png")


def spoil_file(root):
    (root / "train/images/0001TP_000001.png").write_bytes(b"no picture")


def spoil_chunk(root):
    """Eight bytes of pixels, then no chunk's name where one must be, which Pillow reports as a `SyntaxError`."""
    path = root / "train/images/0001TP_000001.png"
    png = path.read_bytes()
    at = png.index(b"IDAT")
    path.write_bytes(png[: at - 4] + (8).to_bytes(4) + png[at : at + 12] + bytes(12))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_partner, "without a partner.*0001TP_000001"),
        (spoil_id, r"0001TP_000001.png: class ids \[12\]; expected 0 to 10 or 11"),
        (spoil_size, r"label is \(64, 95\), its image \(64, 96\)"),
        (spoil_kind, "0001TP_000001.png: expected an 8-bit grey picture"),
        (spoil_file, "cannot read .*0001TP_000001.png"),
        (spoil_chunk, "cannot read .*0001TP_000001.png"),
    ],
)
def test_bad_files_are_named(camvid, spoil, message) -> None:
    spoil(camvid)
    with pytest.raises(DataError, match=message):
        data.load(camvid, "train", CAMVID)


def test_an_empty_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match="no images found"):
        data.load(tmp_path, "train", CAMVID)


def test_class_weights_follow_the_shares(camvid) -> None:
    samples = data.load(camvid, "train", CAMVID)
    counts = np.bincount(np.concatenate([s.label.ravel() for s in samples]), minlength=256)[:11]
    assert np.allclose(data.class_weights(samples, CAMVID), 1 / np.log(1.1 + counts / counts.sum()))


def test_batches_depend_on_seed_and_step_only(camvid) -> None:
    samples, phase = data.load(camvid, "train", CAMVID), Phase(1.0, 48, 64, 3)
    first, again, other = (Batches(samples, Recipe(seed=seed), workers=1).make(7, phase) for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()


def test_batches_come_in_the_order_of_their_steps(camvid) -> None:
    samples, phase = data.load(camvid, "train", CAMVID), Phase(1.0, 48, 64, 2)
    batches = Batches(samples, Recipe(), workers=3)
    stream = batches.stream(5, lambda ahead: phase)
    for step in range(5, 10):
        images, labels = next(stream)
        assert all((a == b).all() for a, b in zip((images, labels), batches.make(step, phase), strict=True))
    batches.close()


def test_sequences_can_be_drawn_alike(camvid) -> None:
    samples = data.load(camvid, "train", CAMVID)[:4]  # three of one sequence, one of the other
    assert np.allclose(sampling_odds(samples, 1.0), [1 / 6] * 3 + [1 / 2])
    assert np.allclose(sampling_odds(samples, 0.0), [1 / 4] * 4)


def test_augmentation_keeps_shapes_and_ids() -> None:
    label = drawn_label(CAMVID, 1, (64, 96))
    c = AugmentConfig(p_blur=1, p_noise=1, p_sky=1, p_paste=1, sky_class=0, paste_classes=(8, 9))
    for seed in range(20):
        pair = (drawn_image(CAMVID, label), label)
        images, labels = augmented_batch([pair] * 2, (48, 64), CAMVID.ignore, c, np.random.default_rng(seed))
        assert images.shape == (2, 48, 64, 3) and images.dtype == np.uint8
        assert labels.shape == (2, 48, 64) and labels.max() <= CAMVID.ignore


def test_picture_and_label_are_warped_alike() -> None:
    """Where a pixel's neighbours all have its class, its colour must be that class's."""
    label = drawn_label(CAMVID, 2, (64, 96))
    image = drawn_image(CAMVID, label)
    for seed in range(20):
        moved, ids = warp(image, label, (80, 112), CAMVID.ignore, AugmentConfig(), np.random.default_rng(seed))
        near = np.stack([np.roll(ids, (dy, dx), (0, 1)) for dy in range(-2, 3) for dx in range(-2, 3)])
        inside = (near == ids).all(0) & (ids != CAMVID.ignore)
        inside[:2], inside[-2:], inside[:, :2], inside[:, -2:] = False, False, False, False
        assert inside.any() and np.array_equal(moved[inside], drawn_image(CAMVID, ids)[inside])


def test_rare_classes_are_pasted_and_nothing_else() -> None:
    a, b = np.zeros((4, 4), np.uint8), np.full((4, 4), 3, np.uint8)
    b[1:3, 1:3] = 8
    image, label = paste_rare(drawn_image(CAMVID, a), a, drawn_image(CAMVID, b), b, AugmentConfig(paste_classes=(8,)))
    assert (label == 8).sum() == 4 and (label == 0).sum() == 12
    assert np.array_equal(image, drawn_image(CAMVID, label))


def test_only_the_sky_is_repainted() -> None:
    label = drawn_label(CAMVID, 1, (64, 96))
    label[:10] = 0
    image = drawn_image(CAMVID, label)
    changed = replace_sky(image, label, AugmentConfig(sky_class=0), np.random.default_rng(1))
    assert np.array_equal(changed[label != 0], image[label != 0]) and (changed[:10] != image[:10]).any()
