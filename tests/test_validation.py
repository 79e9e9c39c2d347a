import copy
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from bsymlearn import (
    BrainSymphony,
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
    EncoderConfig,
)
from bsymlearn._validation import check_scans

N_ROIS = 9
TINY = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 12,
    "encoder": {"structural_layers": 1},
    "random_state": 0,
    "device": "cpu",
}
# Every message ends in what to do.
REMEDY = re.compile(
    r"\b(give|transpose|set|drop|add|leave|use|name|reshape|interpolate|pass|wrap|convert|choose"
    r"|copy|check|rename|write|save|call|must be|should be|replace)\b",
    re.IGNORECASE,
)


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("training started")

    monkeypatch.setattr("bsymlearn.estimators._base.pretrain", fail)
    monkeypatch.setattr("bsymlearn.estimators._supervised.train", fail)


def smooth(n_timepoints=30, n_rois=N_ROIS, seed=0):
    """Series that are smooth in time and unrelated along ROIs."""
    noise = np.random.default_rng(seed).normal(size=(n_timepoints + 4, n_rois))
    return np.lib.stride_tricks.sliding_window_view(noise, 5, axis=0).mean(axis=-1)


def counts(n_rois=N_ROIS, seed=0, largest=9000):
    weights = np.random.default_rng(seed).integers(0, largest, size=(n_rois, n_rois))
    return (weights + weights.T).astype(float)


def scans(lengths=(30, 40, 25, 30)):
    return [smooth(n, seed=i) for i, n in enumerate(lengths)]


def connectomes(n=4):
    return np.stack([counts(seed=i) for i in range(n)])


def table(**columns):
    columns = {"timeseries": scans(), "connectome": list(connectomes())} | columns
    index = pd.Index([f"sub-{i}" for i in range(4)], name="participant_id")
    return pd.DataFrame(
        {k: pd.Series(v, index=index, dtype=object) for k, v in columns.items()}, index=index
    )


def but_one(items, new):
    items = list(items)
    items[1] = new
    return items


def spoilt(value):
    series = smooth()
    series[3, 2] = value
    return series


def raises(error, words, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert re.search(words, message), message
    assert REMEDY.search(message), message


BAD_AT_FIT = {
    "ragged list transposed": (lambda: [s.T for s in scans()], ValueError, "ROIs.*transpose"),
    "equal lengths transposed": (
        lambda: [smooth(60, 40, i).T for i in range(4)],
        ValueError,
        "look transposed.*axis 1",
    ),
    "3-D transposed": (
        lambda: np.stack([smooth(60, 40, i).T for i in range(4)]),
        ValueError,
        "look transposed",
    ),
    "one scan transposed": (lambda: but_one(scans(), smooth().T), ValueError, r"\[9, 30\]"),
    "table transposed": (
        lambda: table(timeseries=[s.T for s in scans()]),
        ValueError,
        "30 ROIs.*connectome of 9",
    ),
    "connectome of another atlas": (
        lambda: table(connectome=[counts(7)] * 4),
        ValueError,
        "9 ROIs.*connectome of 7",
    ),
    "NaN": (lambda: but_one(scans(), spoilt(np.nan)), ValueError, r"sample 1.*1 values.*NaN.*3, 2"),
    "inf": (lambda: but_one(scans(), spoilt(np.inf)), ValueError, "sample 1.*infinite"),
    "beyond float32": (lambda: but_one(scans(), spoilt(1e200)), ValueError, "infinite"),
    "complex": (lambda: but_one(scans(), smooth() * 1j), ValueError, "complex"),
    "text in an array": (
        lambda: but_one(scans(), smooth().astype(str).astype(object) + "x"),
        ValueError,
        "no number",
    ),
    "1-D in a cell": (lambda: table(timeseries=[np.ones(9)] * 4), ValueError, r"\(9,\).*2-D"),
    "ragged cell": (
        lambda: table(timeseries=[[[1, 2], [1]]] * 4),
        ValueError,
        "row 0 .sub-0.*no array",
    ),
    "sparse cell": (
        lambda: table(connectome=[sparse.csr_array(counts())] * 4),
        TypeError,
        "sparse.*dense",
    ),
    "number in a cell": (lambda: table(connectome=[3.5] * 4), TypeError, "cell of row 0.*float"),
    "string that is no path": (
        lambda: table(timeseries=["hello"] * 4),
        (FileNotFoundError, ValueError),
        "hello",
    ),
    "missing file": (
        lambda: table(timeseries=["absent/sub-01_timeseries.tsv"] * 4),
        FileNotFoundError,
        "sub-01_timeseries.tsv",
    ),
    "missing connectome file": (
        lambda: table(connectome=["absent.csv"] * 4),
        FileNotFoundError,
        "absent.csv",
    ),
    "list of paths": (lambda: ["a.npy", "b.npy"], TypeError, "'a.npy'.*DataFrame"),
    "not square": (
        lambda: table(connectome=[counts()[:, :8]] * 4),
        ValueError,
        r"\(9, 8\).*square",
    ),
    "triangular": (lambda: table(connectome=[np.triu(counts())] * 4), ValueError, "triangular"),
    "no edge": (lambda: table(connectome=[np.eye(9)] * 4), ValueError, "no edge"),
    "one subject": (lambda: scans()[:1], ValueError, r"1 sample\(s\).*minimum of 2"),
    "one row": (lambda: table()[:1], ValueError, r"1 sample\(s\).*minimum of 2"),
    "empty table": (lambda: table()[:0], ValueError, r"0 sample\(s\)"),
    "empty list": (list, ValueError, r"0 sample\(s\)"),
    "empty 3-D": (lambda: np.empty((0, 30, 9)), ValueError, r"0 sample\(s\)"),
    "constant scan": (
        lambda: but_one(scans(), np.full((30, 9), 4.0)),
        ValueError,
        "sample 1.*no usable ROI",
    ),
    "no time point": (lambda: but_one(scans(), np.empty((0, 9))), ValueError, r"\(0, 9\)"),
    "no ROI": (lambda: [np.empty((30, 0))] * 4, ValueError, r"\(30, 0\)"),
    "row without data": (
        lambda: table(timeseries=but_one(scans(), None), connectome=but_one(connectomes(), None)),
        ValueError,
        r"row 1 \(sub-1\) has no time series and no connectome",
    ),
    "sparse": (lambda: sparse.csr_array(np.eye(9)), TypeError, "[Ss]parse"),
    "1-D": (lambda: np.arange(9.0), ValueError, "1D|1-D"),
    "list of 1-D": (lambda: [np.ones(9), np.ones(8)], ValueError, r"\(n_timepoints, 1\)"),
    "dict": (lambda: {"timeseries": scans()}, TypeError, r"dict.*DataFrame"),
    "mixed DataFrame": (
        lambda: pd.DataFrame({"age": [1.0] * 4, "site": list("abcd")}),
        ValueError,
        r"\['site'\] are not numeric",
    ),
    "None among arrays": (lambda: but_one(scans(), None), TypeError, "NoneType among arrays"),
    "alien ROI names": (
        lambda: but_one(
            [pd.DataFrame(s, columns=list("abcdefghi")) for s in scans()],
            pd.DataFrame(smooth(), columns=list("abcdefghx")),
        ),
        ValueError,
        "same ROIs.*x",
    ),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_bad_input_is_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "modality", "words"),
    [
        (scans(), "structural", "square"),
        (scans(), "multimodal", "DataFrame"),
        (smooth(), "structural", "2-D"),
        (table()[["timeseries"]], "structural", "no connectome"),
        (table()[["timeseries"]], "multimodal", "no connectome"),
        (table()[["connectome"]], "functional", "no timeseries"),
    ],
)
def test_modality_that_X_lacks(X, modality, words):
    raises(ValueError, words, BrainSymphonyTransformer(modality, **TINY).fit, X)


@pytest.fixture
def fitted():
    return BrainSymphonyTransformer(max_epochs=0, **TINY).fit(scans())


@pytest.fixture
def multimodal():
    return BrainSymphonyTransformer(max_epochs=0, **TINY).fit(table())


def test_bad_input_at_predict(fitted, multimodal):
    raises(ValueError, "7 ROIs.*fitted with 9", fitted.transform, [smooth(30, 7)])
    raises(ValueError, "30 ROIs.*fitted with 9", fitted.transform, [smooth().T])
    raises(ValueError, r"\(30, 9\).*\[X\]", fitted.transform, smooth())
    raises(ValueError, "NaN", fitted.transform, [spoilt(np.nan)])
    raises(ValueError, "no usable ROI", fitted.transform, [np.zeros((30, 9))])
    raises(ValueError, "no column 'connectome'", multimodal.transform, table()[["timeseries"]])
    raises(ValueError, "DataFrame", multimodal.transform, scans())
    raises(ValueError, r"0 sample\(s\)", fitted.transform, [])
    raises(TypeError, "dict", fitted.transform, {"a": scans()})
    raises(ValueError, "has no time series", multimodal.score, table(timeseries=[None] * 4))


def test_square_scan_transposed_at_predict():
    fitted = BrainSymphonyTransformer(max_epochs=0, **TINY).fit([smooth(60, 40), smooth(50, 40)])
    fitted.transform([smooth(40, 40)])
    raises(ValueError, "look transposed", fitted.transform, [smooth(40, 40).T])


@pytest.mark.parametrize("learned", ["counts", "logarithms"])
def test_connectomes_in_other_units(learned):
    raw = connectomes()
    scaled = np.log10(1 + raw)
    first, other = (raw, scaled) if learned == "counts" else (scaled, raw)
    scaling = "log10" if learned == "counts" else None
    model = BrainSymphonyTransformer(
        "structural", max_epochs=0, connectome_scaling=scaling, **TINY
    ).fit(first)
    model.transform(first * 2)
    raises(ValueError, "sample 0 has weights up to.*learned", model.transform, other)
    again = BrainSymphonyTransformer("structural", pretrained=model.module_, max_epochs=0)
    raises(ValueError, "same units", again.fit, other)


def test_raw_counts_without_scaling():
    model = BrainSymphonyTransformer("structural", connectome_scaling=None, **TINY)
    raises(ValueError, "saturate", model.fit, connectomes())


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "y.*None"),
        ([0, 1, 0], "4 rows, but y has 3"),
        ([0, 1, np.nan, 1], "NaN"),
        ([0, 1, np.inf, 1], "infinity|inf"),
    ],
)
def test_bad_y(cls, y, words):
    with pytest.raises(ValueError, match=words):
        cls(**TINY).fit(scans(), y)


def test_one_class():
    raises(ValueError, "one class.*'b'", BrainSymphonyClassifier(**TINY).fit, scans(), ["b"] * 4)


def test_continuous_classes():
    with pytest.raises(ValueError, match="continuous"):
        BrainSymphonyClassifier(**TINY).fit(scans(), [0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    "weight", [[0, 0, 0, 0], [1, 0, 1, 0], [1, -1, 1, 1], [1, 1], [1, 1, 1, np.nan]]
)
def test_bad_sample_weight(weight):
    with pytest.raises(ValueError, match=r"weight|shape"):
        BrainSymphonyClassifier(**TINY).fit(scans(), list("abab"), sample_weight=weight)


@pytest.mark.parametrize(
    "bad",
    [
        {"modality": "pet"},
        {"readout": "max"},
        {"spectral_power": 0},
        {"scaling": "z"},
        {"connectome_scaling": "log2"},
        {"dim": 0},
        {"n_layers": 1.5},
        {"time_steps": -1},
        {"mask_ratio": 1.0},
        {"recipe": "both"},
        {"max_epochs": -1},
        {"batch_size": 0},
        {"lr": 0},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"encoder": []},
        {"net_params": 3},
        {"device": "nonsense"},
        {"device": "cuda:99"},
        {"random_state": "x"},
        {"pretrained": 3},
        {"n_heads": 3},
        {"encoder": {"nothing": 1}},
        {"encoder": {"dim": 8}},
        {"patience": 2, "validation_fraction": 0},
        {"gradients": np.zeros((5, 3))},
        {"gradients": np.full((N_ROIS, 3), np.inf)},
        {"pretrained": "absent/checkpoint"},
        {"pretrained": torch.nn.Linear(1, 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("cls", [BrainSymphonyTransformer, BrainSymphonyRegressor])
def test_bad_parameters(cls, bad):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as caught:
        cls(**(TINY | bad)).fit(scans(), np.arange(4.0))
    named = {
        "pretrained": "pretrained|checkpoint",
        "n_heads": "n_heads",
        "encoder": "encoder|Encoder",
    }
    name = next(iter(bad))
    assert re.search(named.get(name, name), str(caught.value))


@pytest.mark.parametrize("untrained", [{"finetune": "probe"}, {"max_epochs": 0}])
@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_probe_of_an_untrained_encoder(cls, untrained):
    raises(ValueError, "never trained", cls(**(TINY | untrained)).fit, scans(), [0, 1, 0, 1])


@pytest.mark.parametrize(
    "other",
    [
        {"dim": 16},
        {"time_steps": 20},
        {"n_heads": 1},
        {"scaling": None},
        {"encoder": {"perceiver_heads": 1}},
        {"gradients": np.zeros((N_ROIS, 3))},
        {"modality": "structural"},
    ],
    ids=str,
)
def test_pretrained_and_contradicting(fitted, other):
    X = connectomes() if "modality" in other else scans()
    model = BrainSymphonyTransformer(pretrained=fitted.module_, max_epochs=0, **other)
    raises(ValueError, "pretrained encoder", model.fit, X)


def test_pretrained_with_other_rois(fitted):
    model = BrainSymphonyTransformer(pretrained=fitted.module_)
    words = r"7 ROIs.*pretrained encoder of 9.*pretrained=bsymlearn\.adapt_parcellation"
    raises(ValueError, words, model.fit, [smooth(30, 7)] * 3)
    # The same number of ROIs, of which one has another name.
    module = copy.deepcopy(fitted.module_)
    module.contract["roi_names"] = list("abcdefghi")
    named = [pd.DataFrame(s, columns=list("abcdefghx")) for s in scans()]
    model = BrainSymphonyTransformer(pretrained=module, max_epochs=0)
    words = r"pretrained encoder.*same ROIs.*\['x'\].*pretrained=bsymlearn\.adapt_parcellation"
    raises(ValueError, words, model.fit, named)
    model.fit(scans())
    words = r"7 ROIs.*fitted with 9.*For another atlas, fit with pretrained="
    raises(ValueError, words, model.transform, [smooth(30, 7)])


def test_gradient_encoder_without_gradients():
    config = EncoderConfig(n_rois=N_ROIS, time_steps=12, dim=8, n_layers=1, positions="gradient")
    with torch.random.fork_rng():
        module = BrainSymphony(config)
    model = BrainSymphonyTransformer(pretrained=module, max_epochs=0)
    raises(ValueError, "gradient positions", model.fit, scans())


@pytest.mark.parametrize(
    "mask",
    [
        np.ones(8, bool),
        np.ones((3, 9), bool),
        np.ones(9),
        [np.ones((30, 9), bool)] * 4,
        "all",
        None,
        [np.ones((n, 8), bool) for n in (30, 40, 25, 30)],
    ],
)
def test_mask_of_the_wrong_form(fitted, mask):
    raises(ValueError, "mask must be boolean", fitted.reconstruct, scans(), mask)


# What is odd but fine


def test_short_dead_and_absent_data_are_fine():
    series = scans((30, 5, 12, 30))
    series[0][:, [1, 4, 5]] = 0
    X = table(timeseries=but_one(series, None), connectome=[counts(), counts(), None, np.nan])
    X["age"], X["site"] = [20, 30, 40, 50], list("abba")
    model = BrainSymphonyTransformer(max_epochs=0, **TINY).fit(X)
    embedded = model.transform(X)
    assert np.isfinite(embedded).all() and embedded.shape == (4, 36)
    np.testing.assert_allclose(model.transform(X.drop(columns="age")), embedded, atol=1e-6)
    for i in range(4):
        np.testing.assert_allclose(model.transform(X.iloc[[i]]), embedded[[i]], atol=1e-6)
    assert model.feature_names_in_.tolist() == ["timeseries", "connectome"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_every_kind_of_missing_cell(missing):
    found = check_scans(table(connectome=but_one(connectomes(), missing)))
    assert [c is None for c in found.connectomes] == [False, True, False, False]


def test_a_modality_that_is_not_read_may_be_broken():
    X = table(connectome=["absent.csv"] * 4)
    found = check_scans(X, modality="functional")
    assert found.modality == "functional" and found.connectomes == [None] * 4
    model = BrainSymphonyTransformer("functional", max_epochs=0, **TINY).fit(X)
    assert model.n_features_in_ == 1
    model.transform(X[["timeseries"]])


@pytest.mark.parametrize(
    ("X", "form", "n_rois"),
    [
        (scans(), "list", 9),
        (tuple(scans()), "list", 9),
        (pd.Series(scans()), "list", 9),
        (np.array([*scans(), None], dtype=object)[:-1], "list", 9),
        (np.stack([smooth()] * 3), "array", 9),
        (smooth(), "univariate", 1),
        (pd.DataFrame(smooth()), "univariate", 1),
        (table(), "table", 9),
    ],
)
def test_forms(X, form, n_rois):
    found = check_scans(X)
    assert (found.form, found.n_rois, len(found)) == (form, n_rois, len(X))
    assert all(s.dtype == np.float32 for s in found.timeseries)


def test_participants_group_their_rows():
    X = table()
    X.index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("c", 1)])
    assert check_scans(X).groups == ["a", "a", "b", "c"]
    assert check_scans(X.reset_index(drop=True)).groups == [0, 1, 2, 3]


def test_named_rois_are_brought_into_one_order():
    names = list("abcdefghi")
    frames = [pd.DataFrame(s, columns=names) for s in scans()]
    shuffled = but_one(frames, frames[1][names[::-1]])
    found = check_scans(shuffled)
    assert found.roi_names == names
    np.testing.assert_allclose(found.timeseries[1], frames[1], rtol=1e-6)
    named = check_scans(shuffled, encoder_names=names[::-1], n_rois=9)
    np.testing.assert_allclose(named.timeseries[0], frames[0][names[::-1]], rtol=1e-6)


def test_real_scans_pass_and_their_transposes_do_not(shared_data):
    abide = np.load(shared_data / "abide_dev" / "abide_dev_cc200.npz")
    series, offsets = abide["ts"], abide["offsets"]
    some = [series[offsets[i] : offsets[i + 1]] for i in range(0, 600, 30)]
    drug = np.load(next((shared_data / "psilocybin_aal90").glob("*.npz")))
    drug = next(drug[key] for key in drug.files if drug[key].ndim == 4).reshape(-1, 100, 90)
    for X in (some, drug):
        check_scans(X)
    square = [s[:78] for s in some]
    raises(ValueError, "look transposed", check_scans, [s.T for s in square])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("derivatives", TypeError, "read_cohort"),
        (np.zeros((3, 4, 5, 6)), ValueError, "parcellate"),
        (torch.zeros(3, 20, 5), ValueError, r"numpy\(\)"),
        (table().to_numpy(), TypeError, "DataFrame itself"),
        (list(connectomes()), ValueError, "modality='structural'"),
        (connectomes(), ValueError, "modality='structural'"),
        (table(timeseries=but_one(scans(), "")), ValueError, r"row 1 \(sub-1\)"),
        (table(timeseries=but_one(scans(), "no.npy")), FileNotFoundError, r"row 1 \(sub-1\)"),
    ],
)
def test_what_users_try(X, error, message):
    with pytest.raises(error, match=message):
        BrainSymphonyTransformer(**TINY).fit(X)


def test_sizes_that_follow_from_X_are_refused():
    for extra in ({"n_rois": 5}, {"modules": ("spatial",)}):
        with pytest.raises(ValueError, match="follow from X"):
            BrainSymphonyTransformer(**TINY | {"encoder": extra}).fit(scans())


def test_y_in_another_order_is_refused():
    y = pd.Series([1.0, 2.0, 3.0, 5.0], index=table().index)
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        BrainSymphonyRegressor(**TINY).fit(table(), y[::-1])


def test_text_is_no_target_of_a_regressor():
    with pytest.raises(ValueError, match="BrainSymphonyClassifier"):
        BrainSymphonyRegressor(**TINY).fit(scans(), ["F", "M", "F", "M"])


def test_a_column_that_looks_like_scans_but_is_not_read_is_named():
    misspelt = table().rename(columns={"connectome": "connectomes"})
    with pytest.warns(UserWarning, match="'connectomes' holds arrays"):
        check_scans(misspelt)


@pytest.mark.parametrize("place", ["index", "column", "level"])
def test_participants_are_known_by_their_name(place):
    ids = [50952, 50953, 50952, 50953]
    given = table().reset_index(drop=True)
    if place == "column":
        given["participant_id"] = ids
    elif place == "index":
        given.index = pd.Index(ids, name="participant_id")
    else:
        levels = [["rest1", "rest1", "rest2", "rest2"], ids]
        given.index = pd.MultiIndex.from_arrays(levels, names=["run", "participant_id"])
    assert check_scans(given).groups == ids
    assert check_scans(table().reset_index(drop=True)).groups == [0, 1, 2, 3]
