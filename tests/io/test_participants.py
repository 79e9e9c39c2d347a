import pandas as pd
import pytest

from bsymlearn.io._participants import (
    attach_participants,
    find_participants,
    index_scans,
    read_table,
)


def scans(*labels):
    index = pd.Index(labels, name="participant_id")
    return pd.DataFrame({"timeseries": ["x"] * len(labels)}, index=index)


def test_labels_with_and_without_prefix(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\tsex\n002\t30.5\tF\nsub-001\tn/a\tM\n")
    table = attach_participants(scans("sub-001", "sub-002"), path)
    assert table["sex"].tolist() == ["M", "F"]
    assert table["age"].isna().tolist() == [True, False]


def test_participants_that_do_not_match(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\nsub-001\t20\nsub-009\t30\nsub-008\t30\n")
    with pytest.warns(UserWarning) as caught:
        table = attach_participants(scans("sub-001", "sub-002"), path)
    messages = [str(warning.message) for warning in caught]
    assert "2 of 3 rows of participants.tsv have no scan" in messages[0]
    assert "1 of 2 scans belong to no row" in messages[1]
    assert table.index.tolist() == ["sub-001", "sub-002"]
    assert table["age"].isna().tolist() == [False, True]


def test_no_participant_that_matches_is_an_error(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\nsub-1\t20\nsub-2\t30\n")
    with pytest.raises(ValueError, match=r"'sub-1'.*'sub-001'.*Rename"):
        attach_participants(scans("sub-001", "sub-002"), path)


def test_rows_per_session(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tsession_id\tage\nsub-1\tses-b\t21\nsub-1\tses-a\t20\n")
    index = pd.DataFrame({"participant_id": ["sub-1"] * 2, "session": ["a", "b"]})
    table = attach_participants(index_scans(pd.DataFrame({"timeseries": [1, 2]}), index), path)
    assert table["age"].tolist() == [20, 21]
    with pytest.raises(ValueError, match="several rows of 'sub-1'"):
        attach_participants(scans("sub-1"), path)


def test_column_of_labels_is_required(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("subject\tage\n1\t20\n")
    with pytest.raises(ValueError, match="participant_id is expected"):
        attach_participants(scans("sub-1"), path)


def test_table_of_the_surrounding_dataset(tmp_path):
    root = tmp_path / "derivatives" / "xcp_d"
    root.mkdir(parents=True)
    tsv = tmp_path / "participants.tsv"
    tsv.write_text("participant_id\n")
    assert find_participants(root, None) is None
    (tmp_path / "dataset_description.json").write_text("{}")
    assert find_participants(root, None) == tsv
    with pytest.raises(FileNotFoundError, match="participants table was looked for"):
        find_participants(root, tmp_path / "absent.tsv")


def test_levels_that_do_not_differ_are_left_out():
    index = pd.DataFrame(
        {"participant_id": ["a", "a", "b"], "session": ["1"] * 3, "run": ["1", "2", None]}
    )
    table = index_scans(pd.DataFrame({"timeseries": [1, 2, 3]}), index)
    assert table.index.names == ["participant_id", "run"]
    assert table.index.tolist() == [("a", "1"), ("a", "2"), ("b", "n/a")]
    with pytest.raises(ValueError, match="has several rows"):
        index_scans(pd.DataFrame({"timeseries": [1, 2, 3]}), index[["participant_id"]])


def test_unreadable_table(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("")
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read_table(path)
