import numpy as np
import pandas as pd
import pytest

from bsymlearn.io._text import read_numeric_text

VALUES = np.array([[0.5, -1.0, 2.0], [3.0, 4.5, -6.0], [7.0, 8.0, 9.0]])
NAMES = ["V1", "V2", "LH_Vis_3"]


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("delimiter, suffix", [("\t", ".tsv"), (",", ".csv"), (";", ".csv")])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("index", [True, False])
def test_names_of_rows_and_columns(tmp_path, delimiter, suffix, header, index):
    path = tmp_path / f"table{suffix}"
    frame = pd.DataFrame(VALUES, columns=NAMES, index=["a", "b", "c"])
    frame.to_csv(path, sep=delimiter, header=header, index=index)
    values, columns, rows = read_numeric_text(path)
    np.testing.assert_array_equal(values, VALUES)
    assert columns == (NAMES if header else None)
    assert rows == (["a", "b", "c"] if index else None)


def test_frame_without_names_as_pandas_writes_it(tmp_path):
    path = tmp_path / "frame.csv"
    pd.DataFrame(VALUES).to_csv(path)
    values, columns, _ = read_numeric_text(path)
    np.testing.assert_array_equal(values, VALUES)
    assert columns == ["0", "1", "2"]


def test_comments_and_white_space(tmp_path):
    text = "# command_history: tck2connectome a b\n 0.5  -1 2 \n3 4.5 -6\n7 8   9\n\n"
    values, columns, rows = read_numeric_text(write(tmp_path / "x.1D", text))
    np.testing.assert_array_equal(values, VALUES)
    assert columns is None and rows is None


def test_missing_and_byte_order_mark(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\nn/a\t1\n2\t\n", encoding="utf-8-sig")
    values, columns, _ = read_numeric_text(path)
    np.testing.assert_array_equal(values, [[np.nan, 1], [2, np.nan]])
    assert columns == ["a", "b"]


def test_trailing_delimiter(tmp_path):
    values, _, _ = read_numeric_text(write(tmp_path / "x.csv", "1,2,\n3,4,\n"))
    np.testing.assert_array_equal(values, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("a\tb\n", "a header and no rows"),
        ("a\tb\n1\t2\n3\tbad\n", r"'bad' in data row 2, column 2"),
        ("a\tb\n1\tTrue\n3\tFalse\n", r"'True' in data row 1, column 2"),
        ("1\t2\n3\t4\t5\n", "not a rectangular table"),
        ("a\tb\tc\n1\t2\n", "3 column names over 2 columns"),
    ],
)
def test_errors_name_file_and_state(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_numeric_text(write(tmp_path / "broken.tsv", text))
    assert "broken.tsv" in str(caught.value)


def test_binary_content(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        read_numeric_text(path)
