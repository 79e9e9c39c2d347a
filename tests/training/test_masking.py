import pytest
import torch

from bsymlearn.training import hide_edges, hide_entries, hide_rois, hide_spans
from bsymlearn.training._masking import sample_times


@pytest.fixture
def valid():
    """Four scans of 20 x 10: whole, short, with three dead ROIs, with one live ROI."""
    valid = torch.ones(4, 20, 10, dtype=torch.bool)
    valid[1, 12:] = False
    valid[2, :, :3] = False
    valid[3, :, 1:] = False
    return valid


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("hide", [hide_rois, hide_spans, hide_entries])
@pytest.mark.parametrize("ratio", [0.01, 0.5, 0.99])
def test_only_valid_entries_are_hidden_and_a_seed_repeats_them(valid, hide, ratio):
    hidden = hide(valid, ratio, seeded())
    assert hidden.shape == valid.shape and hidden.dtype == torch.bool
    assert not (hidden & ~valid).any()
    assert torch.equal(hidden, hide(valid, ratio, seeded()))


@pytest.mark.parametrize(
    ("ratio", "counts"), [(0.01, [1, 1, 1, 1]), (0.5, [5, 5, 4, 1]), (0.99, [9, 9, 6, 1])]
)
def test_rois_are_hidden_whole_and_never_all_of_several(valid, ratio, counts):
    hidden = hide_rois(valid, ratio, seeded())
    rois = hidden.any(dim=1)
    assert rois.sum(dim=1).tolist() == counts
    assert torch.equal(hidden, rois[:, None] & valid)


def test_every_roi_is_hidden_at_times():
    valid = torch.ones(300, 2, 6, dtype=torch.bool)
    share = hide_rois(valid, 0.5, seeded())[:, 0].float().mean(dim=0)
    assert (share - 0.5).abs().max() < 0.12


def test_span_is_contiguous_of_the_right_length_and_ends_with_the_scan_at_times(valid):
    stops = set()
    for seed in range(60):
        hidden = hide_spans(valid, 0.25, seeded(seed))
        for scan, length in ((0, 5), (1, 3)):
            times = torch.where(hidden[scan].any(dim=1))[0]
            assert len(times) == length and times[-1] - times[0] == length - 1
            assert hidden[scan, times].all()
        stops.add(int(torch.where(hidden[1].any(dim=1))[0][-1]))
    assert min(stops) == 2 and max(stops) == 11


def test_share_of_hidden_entries(valid):
    hidden = hide_entries(valid.repeat(50, 1, 1), 0.3, seeded())
    assert float(hidden[0].float().mean()) != 0
    assert float(hidden.sum() / valid.repeat(50, 1, 1).sum()) == pytest.approx(0.3, abs=0.01)


def test_an_edge_is_hidden_once_off_the_diagonal_in_both_orientations():
    edges = hide_edges(torch.rand(40, 12, 12), 0.2, seeded())
    assert not (edges & edges.transpose(1, 2)).any()
    assert float(edges.sum() / (40 * 66)) == pytest.approx(0.2, abs=0.02)
    upper = edges & torch.ones(12, 12, dtype=torch.bool).triu(1)
    assert 0.4 < float(upper.sum() / edges.sum()) < 0.6
    assert torch.equal(edges, hide_edges(torch.rand(40, 12, 12), 0.2, seeded()))


def test_sampled_times_are_distinct_and_valid_ones_first(valid):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert sample_times(valid, 20) is None
        drawn = torch.stack([sample_times(valid, 12) for _ in range(20)])  # (20, B, 12)
    assert all(len(set(row.tolist())) == 12 for row in drawn.flatten(0, 1))
    assert (drawn[:, 1] < 12).all()  # the short scan: all of its times, none of the padding
    assert len(set(drawn[:, 0].flatten().tolist())) == 20


def test_spans_pass_over_gaps():
    valid = torch.zeros(2, 40, 3, dtype=torch.bool)
    valid[0, 25:] = True  # the first volumes are censored
    valid[1, ::2] = True  # every second one
    times = valid.any(dim=2)
    found = torch.zeros_like(times)
    for seed in range(200):
        hidden = hide_spans(valid, 0.4, seeded(seed)).any(dim=2)
        assert hidden.sum(dim=1).tolist() == [6, 8]
        for row in range(2):  # contiguous among what is seen
            places = (times[row].cumsum(0) - 1)[hidden[row]]
            assert (places.diff() == 1).all()
        found |= hidden
    assert torch.equal(found, times)
