import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bsymlearn import load_checkpoint, make_cohort

pytest.importorskip("matplotlib", reason="matplotlib comes with the plot extra")

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("bsymlearn_demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def simulated(demo, tmp_path_factory):
    output = tmp_path_factory.mktemp("simulated") / "out"
    assert demo.main(["--quick", "--output", str(output)]) == 0
    return output


def write_derivatives(root, table, labels):
    """Write a cohort as XCP-D and MRtrix leave it."""
    for subject, row in table.iterrows():
        name = f"{subject}_task-rest_seg-A_timeseries.tsv"
        (root / subject / "func").mkdir(parents=True)
        frame = pd.DataFrame(row["timeseries"]).rename(columns=lambda k: f"roi{k}")
        frame.to_csv(root / subject / "func" / name, sep="\t", index=False)
    table[labels].to_csv(root / "participants.tsv", sep="\t")


def test_all_files_are_written(simulated):
    names = {path.name for path in simulated.iterdir()}
    wanted = {"scores.csv", "training.png", "similarity.png", "scores.png", "checkpoint"}
    assert names == wanted | {"summary.txt"}
    assert load_checkpoint(simulated / "checkpoint").config.n_rois == 14
    for name in ("training.png", "similarity.png", "scores.png"):
        assert (simulated / name).read_bytes().startswith(b"\x89PNG")


def test_table_has_every_method_on_every_target(simulated):
    scores = pd.read_csv(simulated / "scores.csv")
    methods = set(scores["method"])
    assert {"fused embedding", "functional embedding", "structural embedding", "FC"} <= methods
    assert {"demographics", "permuted labels"} <= methods
    assert (scores.groupby("target")["method"].nunique() == len(methods)).all()
    assert (scores["low"] <= scores["score"]).all()
    assert (scores["score"] <= scores["high"]).all()


def test_second_run_replaces_its_own_files(demo, simulated):
    before = (simulated / "scores.csv").read_text()
    assert demo.main(["--quick", "--output", str(simulated)]) == 0
    assert (simulated / "scores.csv").read_text() == before  # the seed decides everything


def test_files_of_others_are_left_alone(demo, tmp_path, capsys):
    (tmp_path / "scores.csv").write_text("mine")
    assert demo.main(["--quick", "--output", str(tmp_path)]) == 1
    assert "did not write" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    assert (tmp_path / "scores.csv").read_text() == "mine"


def test_file_in_place_of_the_folder_is_refused(demo, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert demo.main(["--output", str(tmp_path / "out")]) == 1
    assert "is a file" in capsys.readouterr().err


def test_labels_of_the_participants_table_are_predicted(demo, tmp_path):
    table = make_cohort(44, n_rois=6, n_timepoints=30, n_networks=2, random_state=0)
    write_derivatives(tmp_path / "in", table, ["age", "sex", "site"])
    scores = demo.run(tmp_path / "out", tmp_path / "in", settings=demo.QUICK)
    assert scores.index.unique("target").tolist() == ["age (r)", "sex (AUC)"]
    assert "functional embedding" in scores.index.unique("method")


def test_scans_without_labels_are_reconstructed_and_recognised(demo, tmp_path):
    table = make_cohort(8, n_rois=6, n_timepoints=60, n_networks=2, random_state=0)
    write_derivatives(tmp_path / "in", table, [])
    scores = demo.run(tmp_path / "out", tmp_path / "in", settings=demo.QUICK)
    assert scores.index.unique("target").tolist() == ["hidden ROIs (R²)", "fingerprint (accuracy)"]
    assert (tmp_path / "out" / "scores.png").is_file()


@pytest.mark.slow
def test_real_paired_subjects_run_through(demo, shared_data, tmp_path):
    source = shared_data / "hcp21_derivatives"
    (tmp_path / "in").mkdir()
    for folder in sorted(source.glob("sub-*"))[:8]:
        (tmp_path / "in" / folder.name).symlink_to(folder)
    sizes = demo.QUICK.encoder_on_scans | {"time_steps": 300}
    settings = replace(demo.QUICK, encoder_on_scans=sizes)
    scores = demo.run(tmp_path / "out", tmp_path / "in", settings=settings)
    assert 0.3 < scores.loc[("hidden ROIs (R²)", "ridge from visible ROIs"), "score"] < 0.9
    assert scores.loc[("fingerprint (accuracy)", "FC"), "score"] > 0.5
    contract = json.loads((tmp_path / "out" / "checkpoint" / "contract.json").read_text())
    assert contract["modality"] == "multimodal"


def test_parcels_that_were_not_covered_become_constant(demo, tmp_path):
    (tmp_path / "sub-1").mkdir()
    path = tmp_path / "sub-1" / "sub-1_timeseries.tsv"
    path.write_text("a\tb\n1\tn/a\n2\tn/a\n4\tn/a\n")
    table = demo.read_scans(tmp_path)
    np.testing.assert_array_equal(table["timeseries"].iloc[0], [[1, 0], [2, 0], [4, 0]])
    assert table.attrs["roi_names"] == ["a", "b"]


def test_targets_are_chosen_by_their_use(demo):
    rng = np.random.default_rng(0)
    n = 60
    table = pd.DataFrame(
        {
            "timeseries": [np.zeros((2, 2))] * n,
            "mean_fd": rng.uniform(size=n),
            "height": rng.normal(size=n),
            "sex": np.resize([0, 1], n),
            "rare": ["a"] * 55 + ["b"] * 5,
            "subject_id": np.arange(n),
            "age": rng.uniform(20, 80, n),
        }
    )
    choose = demo.prediction.choose_targets
    assert choose(table) == ["sex", "age"]
    assert choose(table.drop(columns=["sex", "age"])) == ["height"]
    assert choose(table[["timeseries", "mean_fd", "rare"]]) == []
    assert choose(table, ["height"]) == ["height"]
    with pytest.raises(ValueError, match="no label 'weight'"):
        choose(table, ["weight"])


def test_scores_agree_with_known_answers(demo):
    truth = np.array([[0.0], [0.0], [1.0], [1.0]])
    assert demo.prediction.auc(truth, np.array([[0.1], [0.3], [0.2], [0.9]])) == 0.75
    assert demo.prediction.pearson(truth, 2 * truth + 1) == pytest.approx(1.0)
    assert demo.prediction.pearson(truth, np.ones((4, 1))) == 0.0


def test_folds_keep_participants_together(demo):
    labels = pd.DataFrame({"sex": np.resize(["F", "F", "M", "M"], 40), "age": np.arange(40.0)})
    groups = np.repeat(np.arange(20), 2)
    for train, test in demo.prediction.make_folds(labels, groups, 4, seed=0):
        assert not set(groups[train]) & set(groups[test])


def test_halves_that_match_are_identified(demo):
    rng = np.random.default_rng(0)
    first = rng.standard_normal((5, 30))
    second = first + 0.1 * rng.standard_normal((5, 30))
    np.testing.assert_array_equal(demo.scans.identified(first, second), np.ones(5))
    swapped = demo.scans.identified(first, second[[1, 0, 2, 3, 4]])
    np.testing.assert_array_equal(swapped, [0, 0, 1, 1, 1])
