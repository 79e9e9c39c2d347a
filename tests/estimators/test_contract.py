import numpy as np
import pytest

from bsymlearn import BrainSymphonyTransformer
from bsymlearn.preprocessing import scale_connectome


@pytest.fixture
def signed():
    """Connectomes of which all but the first have negative weights."""
    weights = np.random.default_rng(0).normal(size=(6, 8, 8))
    weights[0] = np.abs(weights[0])
    return (weights + weights.swapaxes(1, 2)).astype(np.float32)


def structural(tiny, **options):
    return BrainSymphonyTransformer("structural", readout="flatten", **(tiny | options))


def test_the_kind_of_connectomes_is_learned_from_all_of_them(tiny, signed):
    model = structural(tiny, max_epochs=0).fit(signed)
    assert model.module_.contract["connectome_signed"] is True
    plain = structural(tiny, max_epochs=0, connectome_scaling=None).fit(signed)
    np.testing.assert_array_equal(model.transform(signed), plain.transform(signed))
    counts = np.abs(signed)
    model.fit(counts)
    assert model.module_.contract["connectome_signed"] is False
    scaled = np.stack([scale_connectome(c) for c in counts])
    np.testing.assert_array_equal(model.transform(counts), plain.transform(scaled))


def test_negative_weights_where_a_logarithm_was_learned(tiny, signed):
    model = structural(tiny, max_epochs=0).fit(np.abs(signed))
    with pytest.raises(ValueError, match=r"sample 1 has negative weights.*same kind"):
        model.transform(signed)
    further = structural(tiny, max_epochs=0, pretrained=model.module_)
    with pytest.raises(ValueError, match="negative weights"):
        further.fit(signed)


def test_rounding_below_zero_is_zero(tiny, signed):
    counts = np.abs(signed)
    model = structural(tiny, max_epochs=0).fit(counts)
    rounded = counts.copy()
    rounded[1, 2, 3] = rounded[1, 3, 2] = -1e-6
    zero = np.maximum(rounded, 0)
    np.testing.assert_array_equal(model.transform(rounded), model.transform(zero))
