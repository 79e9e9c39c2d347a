import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bsymlearn.io import make_cohort

SMALL = {"n_subjects": 12, "n_rois": 10, "n_timepoints": 40, "n_networks": 2}
SEEDS = range(8)  # the scores of a single cohort vary by .05


def functional_connectivity(table):
    return np.array(
        [np.arctanh(np.clip(np.corrcoef(cell.T), -0.999, 0.999)) for cell in table["timeseries"]]
    )


def out_of_fold(features, target, folds):
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 6, 13)))
    return cross_val_predict(
        model, features, target, cv=folds.split(features, np.asarray(target) > 0)
    )


def age_r(features, age):
    folds = KFold(5, shuffle=True, random_state=0)
    return np.corrcoef(out_of_fold(features, age, folds), age)[0, 1]


def sex_auc(features, male):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return roc_auc_score(male, out_of_fold(features, np.where(male, 1.0, -1.0), folds))


@pytest.fixture(scope="module")
def cohorts():
    return [make_cohort(200, random_state=seed, return_truth=True) for seed in SEEDS]


@pytest.fixture(scope="module")
def scores(cohorts):
    rows = []
    for table, _ in cohorts:
        upper = np.triu_indices(60, 1)
        functional = functional_connectivity(table)[:, *upper]
        structural = np.array(list(table["connectome"]))[:, *upper]
        both = np.hstack([functional, structural])
        age, male = table["age"].to_numpy(), (table["sex"] == "M").to_numpy()
        shuffled = np.random.RandomState(len(rows)).permutation(len(age))
        row = {
            "permuted_r": age_r(both, age[shuffled]),
            "permuted_auc": sex_auc(both, male[shuffled]),
        }
        for name, features in (("fc", functional), ("sc", structural), ("both", both)):
            row[f"{name}_r"], row[f"{name}_auc"] = age_r(features, age), sex_auc(features, male)
        rows.append(row)
    return pd.DataFrame(rows).mean()


def test_table_and_truth():
    table, truth = make_cohort(**SMALL, random_state=0, return_truth=True)
    assert table.columns.tolist() == [
        "timeseries",
        "connectome",
        "age",
        "sex",
        "site",
        "mean_fd",
    ]
    assert table.index.name == "participant_id" and table.index[0] == "sub-001"
    for series, connectome in zip(table["timeseries"], table["connectome"], strict=True):
        assert series.shape == (40, 10) and series.dtype == np.float32
        assert connectome.shape == (10, 10) and connectome.dtype == np.float32
        assert np.isfinite(series).all()
        np.testing.assert_array_equal(connectome, connectome.T)
        assert not np.diag(connectome).any() and (connectome < 0).any()
    assert table["age"].between(18, 75).all() and (table["mean_fd"] > 0).all()
    assert table["sex"].value_counts().tolist() == [6, 6]
    assert table["site"].nunique() == 3
    assert truth.networks.tolist() == [0] * 5 + [1] * 5
    assert truth.directed_edges.dtype == bool and truth.directed_edges.any()
    assert not (truth.directed_edges & truth.directed_edges.T).any()
    assert set(truth.effects["target"]) == {"age", "sex"}


def test_planted_edges_are_distinct():
    _, truth = make_cohort(3, random_state=0, return_truth=True)
    pairs = list(zip(truth.effects["roi_i"], truth.effects["roi_j"], strict=True))
    pairs += [tuple(sorted(pair)) for pair in np.argwhere(truth.directed_edges)]
    assert len(set(pairs)) == len(pairs) == 40 + 40 + 12
    within = truth.networks[truth.effects["roi_i"]] == truth.networks[truth.effects["roi_j"]]
    assert 0 < within.mean() < 1


def test_random_state():
    first, second = (make_cohort(**SMALL, missing=0.3, random_state=7) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    other = make_cohort(**SMALL, missing=0.3, random_state=8)
    assert not np.array_equal(first["age"], other["age"])
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    make_cohort(**SMALL, random_state=7)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("missing, n_missing", [(0.0, 0), (0.5, 6), (1.0, 12)])
def test_missing_modalities(missing, n_missing):
    table = make_cohort(**SMALL, missing=missing, random_state=0)
    absent = table[["timeseries", "connectome"]].map(lambda cell: cell is None)
    assert absent.sum(axis=None) == n_missing
    assert absent.sum(axis=1).max() <= 1
    assert absent["timeseries"].sum() == absent["connectome"].sum()


def test_small_and_odd_sizes():
    table = make_cohort(4, n_rois=6, n_timepoints=30, n_networks=2, t_r=0.72, random_state=0)
    assert table["timeseries"].iloc[0].shape == (30, 6)
    table, truth = make_cohort(2, 4, 2, n_networks=1, random_state=0, return_truth=True)
    assert len(table) == 2 and len(truth.networks) == 4


def test_blocks_of_subjects(monkeypatch):
    # Subjects of different blocks must be as different, and as complete, as those of one.
    monkeypatch.setattr("bsymlearn.io._simulate.BLOCK_ENTRIES", 500)
    table = make_cohort(**SMALL, random_state=0)
    assert len({cell.tobytes() for cell in table["connectome"]}) == 12
    assert len({cell.tobytes() for cell in table["timeseries"]}) == 12


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"n_subjects": 1}, ValueError, "n_subjects=1, but 2 or more"),
        ({"n_rois": 3}, ValueError, "n_rois=3, but 4 or more"),
        ({"n_rois": 10.0}, TypeError, "an integer of 4 or more"),
        ({"n_networks": 6}, ValueError, "at least two ROIs"),
        ({"t_r": 0}, ValueError, "t_r=0, but seconds"),
        ({"t_r": float("nan")}, ValueError, "t_r=nan, but seconds"),
        ({"missing": 1.2}, ValueError, "missing=1.2, but a fraction"),
    ],
)
def test_arguments_out_of_range(arguments, error, message):
    with pytest.raises(error, match=message):
        make_cohort(**{**SMALL, **arguments})


def test_connectomes_carry_the_planted_effects(cohorts):
    for table, truth in cohorts[:3]:
        connectomes = np.array(list(table["connectome"]))
        age = (table["age"] - table["age"].mean()) / table["age"].std()
        male = table["sex"] == "M"
        effects = truth.effects
        edges = connectomes[:, effects["roi_i"], effects["roi_j"]]
        found = np.where(
            effects["target"] == "age",
            np.polyfit(age, edges, 1)[0],
            edges[male].mean(axis=0) - edges[~male].mean(axis=0),
        )
        slope, intercept = np.polyfit(effects["effect"], found, 1)
        assert slope == pytest.approx(1.0, abs=0.15) and abs(intercept) < 0.01


def test_series_show_the_direction_of_the_drives(cohorts):
    for table, truth in cohorts[:3]:
        # The pooled first-order autoregression: [i, j] is what ROI j tells about the next of i.
        series = [cell - cell.mean(axis=0) for cell in table["timeseries"]]
        lagged = sum(x[1:].T @ x[:-1] for x in series)
        autoregression = lagged @ np.linalg.inv(sum(x[:-1].T @ x[:-1] for x in series))
        asymmetry = autoregression - autoregression.T
        assert np.mean(asymmetry[truth.directed_edges] > 0) > 0.8
        off_diagonal = ~np.eye(60, dtype=bool)
        assert roc_auc_score(truth.directed_edges[off_diagonal], asymmetry[off_diagonal]) > 0.8


def test_functional_connectivity_shows_the_networks(cohorts):
    table, truth = cohorts[0]
    mean = functional_connectivity(table).mean(axis=0)
    np.fill_diagonal(mean, 0)
    labels = KMeans(7, n_init=10, random_state=0).fit_predict(mean)
    assert adjusted_rand_score(truth.networks, labels) > 0.8


def test_each_modality_predicts_and_both_predict_better(scores):
    assert 0.5 < scores["fc_r"] < 0.75
    assert 0.5 < scores["sc_r"] < 0.75
    assert scores["both_r"] > max(scores["fc_r"], scores["sc_r"]) + 0.06
    assert 0.7 < scores["fc_auc"] < 0.83
    assert 0.7 < scores["sc_auc"] < 0.83
    assert scores["both_auc"] > max(scores["fc_auc"], scores["sc_auc"]) + 0.04


def test_permuted_labels_are_at_chance(scores):
    assert abs(scores["permuted_r"]) < 0.12
    assert abs(scores["permuted_auc"] - 0.5) < 0.06
