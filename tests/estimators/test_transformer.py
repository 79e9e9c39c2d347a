import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from bsymlearn import BrainSymphonyTransformer, load_checkpoint, save_checkpoint

TOLERANCE = {"rtol": 0, "atol": 1e-6}


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_shapes_and_types(embedder, cohort):
    assert embedder.transform(cohort).shape == (20, 28)
    assert embedder.transform(cohort).dtype == np.float32
    assert embedder.embed_rois(cohort).shape == (20, 8, 8)
    assert len(embedder.get_feature_names_out()) == 28
    assert embedder.modality_ == "multimodal" and embedder.n_features_in_ == 2
    assert not embedder.module_.training
    assert embedder.history_[0]["stage"] == "joint" and "valid_r2" in embedder.history_[0]


def test_a_scan_does_not_depend_on_its_neighbours(embedder, cohort):
    whole = embedder.transform(cohort)
    order = np.random.default_rng(0).permutation(len(cohort))
    np.testing.assert_allclose(embedder.transform(cohort.iloc[order]), whole[order], **TOLERANCE)
    parts = [embedder.transform(cohort.iloc[i : i + 7]) for i in range(0, 20, 7)]
    np.testing.assert_allclose(np.vstack(parts), whole, **TOLERANCE)
    alone = [embedder.transform(cohort.iloc[[i]]) for i in range(20)]
    np.testing.assert_allclose(np.vstack(alone), whole, **TOLERANCE)


def test_forms_agree(functional, series, tmp_path):
    X = [s[:12] for s in series[:5]]
    expected = functional.transform(X)
    names = [f"sub-{i}" for i in range(5)]
    arrays = pd.DataFrame({"timeseries": pd.Series(X, index=names)}, index=names)
    for name, scan in zip(names, X, strict=True):
        np.save(tmp_path / f"{name}.npy", scan)
    paths = pd.DataFrame({"timeseries": [str(tmp_path / f"{n}.npy") for n in names]}, index=names)
    for other in (np.stack(X), tuple(X), arrays, paths, arrays.assign(age=3, site="a")):
        np.testing.assert_array_equal(functional.transform(other), expected)


def test_forms_agree_in_fit(tiny, series):
    X = [s[:12] for s in series[:5]]
    table = pd.DataFrame({"timeseries": pd.Series(X)})
    fits = [BrainSymphonyTransformer(max_epochs=1, **tiny).fit(F) for F in (X, np.stack(X), table)]
    assert [model.n_features_in_ for model in fits] == [8, 8, 1]
    for other in fits[1:]:
        assert same_weights(fits[0].module_, other.module_)


def test_refit_on_another_form_forgets_the_names(tiny, series, cohort):
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(cohort)
    model.fit(series)
    assert not hasattr(model, "feature_names_in_") and model.modality_ == "functional"


def test_embed_rois_averages_windows_of_the_module(functional, series):
    from bsymlearn.preprocessing import robust_scale, window_starts

    scaled = torch.from_numpy(robust_scale(series[0])[0])
    windows = torch.stack([scaled[s : s + 16] for s in window_starts(len(scaled), 16)])
    with torch.inference_mode():
        expected = functional.module_(windows).functional.mean(dim=0)
    np.testing.assert_allclose(functional.embed_rois(series[:1])[0], expected, atol=1e-5)


def test_fit_learns_the_mean_latent(functional, series):
    mean = functional.embed_rois(series).mean(axis=0)
    np.testing.assert_allclose(functional.readout_.mean_latent, mean, atol=1e-6)


@pytest.mark.parametrize(("readout", "n_outputs"), [("mean", 8), ("flatten", 64)])
def test_first_order_readouts(tiny, series, readout, n_outputs):
    model = BrainSymphonyTransformer(readout=readout, max_epochs=0, **tiny).fit(series)
    rois = model.embed_rois(series)
    expected = rois.mean(axis=1) if readout == "mean" else rois.reshape(len(rois), -1)
    np.testing.assert_allclose(model.transform(series), expected, atol=1e-6)
    assert model.transform(series).shape[1] == n_outputs


def test_same_seed_same_bits_and_global_generators_stay(tiny, cohort):
    state = torch.get_rng_state(), copy.deepcopy(np.random.get_state())  # noqa: NPY002
    models = [BrainSymphonyTransformer(max_epochs=1, **tiny).fit(cohort) for _ in range(2)]
    embedded = [model.transform(cohort) for model in models]
    models[0].score(cohort)
    assert torch.equal(torch.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1][1])  # noqa: NPY002
    assert same_weights(models[0].module_, models[1].module_)
    np.testing.assert_array_equal(*embedded)
    other = BrainSymphonyTransformer(max_epochs=0, **(tiny | {"random_state": 1})).fit(cohort)
    assert not same_weights(models[0].module_, other.module_)


def test_fit_leaves_X_alone(tiny, cohort):
    before = copy.deepcopy(cohort)
    BrainSymphonyTransformer(max_epochs=1, **tiny).fit(cohort).transform(cohort)
    for name in ("timeseries", "connectome"):
        for a, b in zip(before[name], cohort[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_clone_pickle_joblib(embedder, cohort, tmp_path):
    fresh = clone(embedder)
    assert not hasattr(fresh, "module_") and fresh.get_params() == embedder.get_params()
    expected = embedder.transform(cohort)
    restored = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(restored.transform(cohort), expected)
    joblib.dump(embedder, tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "model.joblib").transform(cohort), expected
    )


def test_params_round_trip():
    model = BrainSymphonyTransformer().set_params(dim=16, readout="mean", encoder={"dropout": 0.2})
    params = model.get_params()
    assert params["dim"] == 16 and params["readout"] == "mean"
    assert BrainSymphonyTransformer(**params).get_params() == params


def test_checkpoint_round_trip(embedder, cohort, tmp_path):
    directory = save_checkpoint(embedder, tmp_path / "checkpoint")
    assert same_weights(load_checkpoint(directory), embedder.module_)
    expected = embedder.transform(cohort)
    for pretrained in (directory, str(directory), embedder.module_):
        model = BrainSymphonyTransformer(pretrained=pretrained, max_epochs=0).fit(cohort)
        np.testing.assert_array_equal(model.transform(cohort), expected)
        assert not hasattr(model, "net_") and model.history_ == []
        assert model.module_ is not embedder.module_
        assert model.module_.contract == embedder.module_.contract


def test_pretraining_continues_from_a_checkpoint(embedder, cohort):
    before = copy.deepcopy(embedder.module_.state_dict())
    model = BrainSymphonyTransformer(pretrained=embedder.module_, max_epochs=1, random_state=0)
    model.fit(cohort)
    assert not same_weights(model.module_, embedder.module_) and len(model.history_) == 1
    assert all(torch.equal(before[k], v) for k, v in embedder.module_.state_dict().items())


def test_the_checkpoint_decides_on_scaling(tiny, series):
    raw = BrainSymphonyTransformer(scaling=None, max_epochs=0, **tiny).fit(series)
    again = BrainSymphonyTransformer(pretrained=raw.module_, max_epochs=0).fit(series)
    np.testing.assert_array_equal(again.transform(series), raw.transform(series))
    assert again.module_.contract["scaling"] is None


@pytest.mark.filterwarnings("ignore:.* tell no names of their ROIs")
def test_roi_names_are_learned_and_matched(tiny, series):
    names = list("abcdefgh")
    frames = [pd.DataFrame(s, columns=names) for s in series]
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(frames)
    expected = model.transform(series)
    shuffled = [frame[names[::-1]] for frame in frames]
    np.testing.assert_array_equal(model.transform(shuffled), expected)
    unnamed = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(series)
    later = BrainSymphonyTransformer(pretrained=unnamed.module_, max_epochs=0).fit(frames)
    assert later.module_.contract["roi_names"] == names


def test_gradient_positions(tiny, series):
    gradients = np.random.default_rng(0).normal(size=(8, 3))
    gradients[2] = np.nan
    model = BrainSymphonyTransformer(gradients=gradients, max_epochs=1, **tiny).fit(series)
    assert model.module_.config.positions == "gradient"
    embedded = model.transform(series)
    other = BrainSymphonyTransformer(
        pretrained=model.module_, gradients=gradients[::-1], max_epochs=0
    ).fit(series)
    assert np.isfinite(embedded).all()
    assert np.abs(other.embed_rois(series) - model.embed_rois(series)).max() > 1e-5


def test_recipe_and_patience_reach_training(tiny, cohort):
    params = tiny | {"lr": 1e-8, "validation_fraction": 0.01}
    model = BrainSymphonyTransformer(recipe="staged", max_epochs=4, patience=1, **params)
    stages = [h["stage"] for h in model.fit(cohort).history_]
    assert stages[0] == "streams" and stages[-1] == "fusion"


def test_pipeline_cross_val_and_grid_search(tiny, series):
    y = np.arange(len(series)) % 2
    pipe = Pipeline(
        [
            ("embed", BrainSymphonyTransformer(max_epochs=0, **tiny)),
            ("scale", StandardScaler()),
            ("clf", LogisticRegression(C=1e-3)),
        ]
    )
    assert np.isfinite(cross_val_score(pipe, series, y, cv=2)).all()
    grid = {"embed__readout": ["mean", "connectivity"], "embed__dim": [4, 8]}
    search = GridSearchCV(pipe, grid, cv=2).fit(series, y)
    assert search.predict(series[:3]).shape == (3,)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_feature_union_with_connectivity(functional, series):
    union = FeatureUnion(
        [
            ("bsym", clone(functional).set_params(max_epochs=0)),
            ("fc", ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True)),
        ]
    )
    assert union.fit_transform(series).shape == (len(series), 56)


def test_column_transformer_adds_age(tiny, cohort):
    columns = ColumnTransformer(
        [
            ("bsym", BrainSymphonyTransformer(max_epochs=0, **tiny), ["timeseries", "connectome"]),
            ("age", StandardScaler(), ["age"]),
        ]
    )
    features = columns.fit_transform(cohort)
    assert features.shape == (20, 29) and np.isfinite(features).all()
    np.testing.assert_allclose(columns.transform(cohort.iloc[[3]]), features[[3]], atol=1e-6)


def test_set_output(functional, series):
    frame = clone(functional).set_params(max_epochs=0).set_output(transform="pandas")
    columns = frame.fit_transform(series).columns
    assert list(columns) == list(frame.get_feature_names_out())


def test_real_scans(shared_data, tiny):
    abide = np.load(shared_data / "abide_dev" / "abide_dev_cc200.npz")
    series, offsets = abide["ts"], abide["offsets"]
    scans = [series[offsets[i] : offsets[i + 1]] for i in range(len(offsets) - 1)]
    dead = [i for i, s in enumerate(scans) if (np.ptp(s, axis=0) == 0).any()][:5]
    short = [i for i, s in enumerate(scans) if len(s) == 78][:3]
    chosen = sorted({*dead, *short, 0, 100, 300, 599})
    X = [scans[i][:100] for i in chosen]
    assert dead and short
    model = BrainSymphonyTransformer(max_epochs=1, **(tiny | {"time_steps": 100})).fit(X)
    embedded = model.transform(X)
    assert embedded.shape == (len(X), 19900) and np.isfinite(embedded).all()
    np.testing.assert_allclose(model.transform(X[-1:]), embedded[-1:], **TOLERANCE)
