import numpy as np
import pytest

from bsymlearn.plotting import plot_training


@pytest.fixture
def history():
    return [
        {"stage": "streams", "train_loss": 3.0, "valid_loss": 3.1, "valid_r2": -0.1},
        {"stage": "streams", "train_loss": 2.0, "valid_loss": 2.2, "valid_r2": 0.1},
        {"stage": "fusion", "train_loss": 1.0, "valid_loss": 1.3, "valid_r2": 0.4},
    ]


def lines_by_label(axes):
    return {line.get_label(): line for ax in axes for line in ax.get_lines()}


def test_curves_hold_the_history(history):
    ax = plot_training(history)
    lines = lines_by_label(ax.figure.axes)
    np.testing.assert_array_equal(lines["training loss"].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(lines["validation loss"].get_ydata(), [3.1, 2.2, 1.3])
    r2 = next(line for label, line in lines.items() if label.startswith("R²"))
    np.testing.assert_array_equal(r2.get_ydata(), [-0.1, 0.1, 0.4])


def test_legend_names_the_curves_of_both_axes(history):
    labels = [text.get_text() for text in plot_training(history).get_legend().get_texts()]
    assert len(labels) == 3


def test_line_between_stages(history):
    ax = plot_training(history)
    dashed = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [2.5]
    assert {text.get_text() for text in ax.texts} == {"streams", "fusion"}


def test_history_without_validation_has_one_axis():
    ax = plot_training([{"train_loss": 1.0}, {"train_loss": 0.5}])
    assert len(ax.figure.axes) == 1


def test_score_of_fine_tuning_is_drawn():
    history = [{"train_loss": 1.0, "valid_score": -0.7}, {"train_loss": 0.5, "valid_score": -0.6}]
    lines = lines_by_label(plot_training(history).figure.axes)
    np.testing.assert_array_equal(lines["validation score"].get_ydata(), [-0.7, -0.6])


def test_epochs_without_a_score_are_gaps(history):
    del history[1]["valid_r2"]
    lines = lines_by_label(plot_training(history).figure.axes)
    r2 = next(line for label, line in lines.items() if label.startswith("R²"))
    np.testing.assert_array_equal(np.isnan(r2.get_ydata()), [False, True, False])


def test_single_epoch_is_visible():
    line = plot_training([{"train_loss": 1.0}]).get_lines()[0]
    assert line.get_marker() == "o"


def test_draws_on_given_axes(history, new_axes):
    assert plot_training(history, ax=new_axes) is new_axes


def test_empty_history_is_refused():
    with pytest.raises(ValueError, match=r"empty.*max_epochs"):
        plot_training([])


def test_history_without_loss_is_refused():
    with pytest.raises(ValueError, match=r"\['valid_r2'\].*train_loss is expected"):
        plot_training([{"valid_r2": 0.1}])
