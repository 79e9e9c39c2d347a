import torch

from bsymlearn.encoders import ContextStream


def test_features_are_those_of_the_convolution():
    torch.manual_seed(0)
    context = ContextStream()
    for n_timepoints in (1, 3, 12):
        series = torch.randn(2, 4, n_timepoints)
        expected = context.convolution(series.reshape(8, 1, n_timepoints))
        expected = expected.reshape(2, 4, 64, n_timepoints).transpose(2, 3)
        torch.testing.assert_close(context(series), expected)


def test_hidden_entries_take_the_learnable_scalar():
    context = ContextStream()
    torch.nn.init.constant_(context.mask_token, 3.0)
    hidden = torch.tensor([[[True, False]]])
    assert context.fill(torch.tensor([[[torch.nan, 1.0]]]), hidden).tolist() == [[[3.0, 1.0]]]
