import numpy as np
import pandas as pd
import pytest

from bsymlearn.plotting import plot_comparison


@pytest.fixture
def table():
    frame = pd.DataFrame(
        {"score": [0.7, 0.6], "low": [0.6, 0.45], "high": [0.75, 0.7], "fold_mean": [0.72, 0.58]},
        index=["embedding", "FC"],
    )
    frame.attrs = {"chance": 0.5, "scoring": "ROC AUC"}
    return frame


def test_intervals_are_drawn_where_the_table_says(table):
    ax = plot_comparison(table)
    (_, _, (bars,)) = ax.containers[0].lines
    drawn = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(drawn, [[0.6, 0.75], [0.45, 0.7]])
    np.testing.assert_allclose(ax.containers[0].lines[0].get_xdata(), table["score"])


def test_methods_run_from_top_to_bottom(table):
    ax = plot_comparison(table)
    bottom, top = ax.get_ylim()
    assert bottom > top
    assert [label.get_text() for label in ax.get_yticklabels()] == ["embedding", "FC"]


def test_chance_line_and_axis_label_come_from_attrs(table):
    ax = plot_comparison(table)
    chance = next(line for line in ax.get_lines() if line.get_label() == "chance")
    assert set(chance.get_xdata()) == {0.5}
    assert ax.get_xlabel() == "ROC AUC"


def test_without_attrs_there_is_no_chance_line(table):
    table.attrs = {}
    labels = [line.get_label() for line in plot_comparison(table).get_lines()]
    assert "chance" not in labels


def test_fold_means_are_drawn_where_there_are_any(table):
    by_label = {line.get_label(): line for line in plot_comparison(table).get_lines()}
    np.testing.assert_array_equal(by_label["mean over folds"].get_xdata(), [0.72, 0.58])
    ax = plot_comparison(table.drop(columns="fold_mean"))
    assert "mean over folds" not in [line.get_label() for line in ax.get_lines()]


def test_names_of_several_levels_are_joined(table):
    table.index = pd.MultiIndex.from_tuples([("age", "FC"), ("sex", "FC")])
    labels = [label.get_text() for label in plot_comparison(table).get_yticklabels()]
    assert labels == ["age, FC", "sex, FC"]


def test_draws_on_given_axes(table, new_axes):
    assert plot_comparison(table, ax=new_axes) is new_axes


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="dict, but a DataFrame"):
        plot_comparison({"score": [1]})


@pytest.mark.parametrize("change", [lambda t: t.drop(columns="low"), lambda t: t.iloc[:0]])
def test_incomplete_table_is_refused(table, change):
    with pytest.raises(ValueError, match="a row per method with the columns"):
        plot_comparison(change(table))


def test_distances_instead_of_bounds_are_refused(table):
    table["low"] = table["score"] + 0.1
    with pytest.raises(ValueError, match="'embedding' lacks its score"):
        plot_comparison(table)
