import dataclasses

import pytest
import torch

from bsymlearn.encoders import BrainSymphony, EncoderConfig
from tests import oracle

SIZES = [
    dict(n_rois=6, time_steps=9, dim=8, n_layers=2, n_heads=2, mlp_dim=12, perceiver_width=5),
    dict(n_rois=1, time_steps=7, dim=8, n_layers=1, n_heads=4, mlp_dim=8, n_latent_blocks=1),
    dict(n_rois=5, time_steps=3, dim=12, n_layers=1, n_heads=3, mlp_dim=7, positions="gradient"),
]


def build(seed=0, **sizes):
    torch.manual_seed(seed)
    sizes = {"structural_layers": 2, "structural_heads": 2, "n_gradients": 4, **sizes}
    model = BrainSymphony(EncoderConfig(**sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Every parameter has to matter, zero biases and unit scales too.
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def draw(model, n_scans=2, seed=1):
    config, generator = model.config, torch.Generator().manual_seed(seed)
    inputs = {
        "timeseries": torch.randn(n_scans, config.time_steps, config.n_rois, generator=generator),
        "connectome": torch.randn(n_scans, config.n_rois, config.n_rois, generator=generator),
    }
    if config.positions == "gradient":
        inputs["gradients"] = torch.randn(config.n_rois, config.n_gradients, generator=generator)
    return inputs


def masks(model, n_scans=2, seed=2):
    """Masks with an invalid ROI, an invalid time point, invalid and hidden entries."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_scans, model.config.time_steps, model.config.n_rois)
    valid = torch.rand(shape, generator=generator) > 0.2
    valid[0, :, 1] = False
    valid[0, 2] = False
    return valid, torch.rand(shape, generator=generator) > 0.6


def double_weights(model):
    return {name: tensor.double() for name, tensor in model.state_dict().items()}


def assert_close(actual, expected):
    expected = expected.to(actual)
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max().clamp_min(1e-6)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("masked", [False, True])
def test_functional_branch_equals_the_equations(sizes, masked):
    model = build(**sizes)
    inputs = draw(model)
    del inputs["connectome"]
    valid = hidden = None
    if masked and model.config.n_rois > 1:
        valid, hidden = masks(model)
    with torch.no_grad():
        output = model(**inputs, valid=valid, hidden=hidden, return_attention=True)
        streams = model.streams(**inputs, valid=valid, hidden=hidden)
    for b in range(2):
        expected = oracle.functional(
            double_weights(model),
            model.config,
            inputs["timeseries"][b].double(),
            inputs["gradients"].double() if "gradients" in inputs else None,
            None if valid is None else valid[b],
            None if hidden is None else hidden[b],
        )
        for name in ("spatial", "temporal", "functional", "reconstruction"):
            assert_close(getattr(output, name)[b], expected[name])
        assert_close(streams.context[b], expected["context"])
        assert_close(output.attention["perceiver"][b], expected["attention"]["perceiver"])
        for name in ("spatial", "temporal"):
            assert_close(output.attention[name][:, b], expected["attention"][name])


@pytest.mark.parametrize("attention", ["first_hop", "multi_hop", "diffusion"])
@pytest.mark.parametrize("masked", [False, True])
def test_structural_branch_and_gate_equal_the_equations(attention, masked):
    model = build(
        **SIZES[0], structural_attention=attention, max_hops=3, diffusion_theta=0.2
    ).double()
    inputs = {name: tensor.double() for name, tensor in draw(model).items()}
    edges = None
    if masked:
        edges = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(3)) > 0.8
        assert (edges != edges.mT).any()
    with torch.no_grad():
        output = model(**inputs, edges=edges, return_attention=True)
    weights = double_weights(model)
    for b in range(2):
        edges_b = None if edges is None else edges[b]
        expected = oracle.structural(weights, model.config, inputs["connectome"][b], edges_b)
        assert_close(output.structural[b], expected["structural"])
        assert_close(output.edges[b], expected["edges"])
        attention_b = output.attention["structural"][:, b]
        assert_close(attention_b, expected["attention"]["structural"])
        fused, gate = oracle.fused(weights, output.functional[b], output.structural[b])
        assert_close(output.fused[b], fused)
        assert_close(output.gate[b], gate)


@pytest.mark.parametrize("garbage", [1e6, float("nan"), float("inf")])
def test_what_is_hidden_or_invalid_never_reaches_an_output(garbage):
    model = build(**SIZES[0])
    inputs = draw(model)
    valid, hidden = masks(model)
    edges = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(3)) > 0.7
    with torch.no_grad():
        expected = model(**inputs, valid=valid, hidden=hidden, edges=edges)
        inputs["timeseries"][hidden | ~valid] = garbage
        inputs["connectome"][edges | edges.mT] = garbage
        actual = model(**inputs, valid=valid, hidden=hidden, edges=edges)
    for name in ("spatial", "temporal", "functional", "reconstruction", "edges", "fused"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


def test_a_scan_does_not_depend_on_its_neighbours():
    model = build(**SIZES[0])
    inputs = draw(model, n_scans=3)
    valid, _ = masks(model, n_scans=3)
    with torch.no_grad():
        together = model(**inputs, valid=valid).fused
        for b in range(3):
            one = {name: tensor[b : b + 1] for name, tensor in inputs.items()}
            assert_close(model(**one, valid=valid[b : b + 1]).fused, together[b : b + 1])


def test_an_all_valid_mask_changes_nothing():
    model = build(**SIZES[0])
    inputs = draw(model)
    with torch.no_grad():
        plain = model(**inputs)
        masked = model(**inputs, valid=torch.ones_like(inputs["timeseries"], dtype=torch.bool))
    assert torch.equal(plain.fused, masked.fused)


@pytest.mark.parametrize("attention", ["first_hop", "multi_hop", "diffusion"])
@pytest.mark.parametrize("positions", ["learnable", "laplacian"])
def test_missing_modalities_give_the_other_one_and_finite_gradients(attention, positions):
    model = build(**SIZES[0], structural_attention=attention, structural_positions=positions)
    inputs = draw(model, n_scans=4)
    inputs["timeseries"][1:3] = torch.nan
    inputs["connectome"][2:] = torch.nan
    has_timeseries = torch.tensor([True, False, False, True])
    has_connectome = torch.tensor([True, True, False, False])
    output = model(**inputs, has_timeseries=has_timeseries, has_connectome=has_connectome)
    assert torch.equal(output.fused[1], output.structural[1])
    assert torch.equal(output.fused[3], output.functional[3])
    assert not output.fused[2].any()
    assert not output.functional[1:3].any()
    assert not output.structural[2:].any()
    assert not output.reconstruction[1:3].any()
    assert ((output.gate[0] > 0) & (output.gate[0] < 1)).all()
    assert not output.gate[1].any()
    assert (output.gate[3] == 1).all()
    loss = sum(
        getattr(output, name).square().sum() for name in ("fused", "reconstruction", "edges")
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        if name != "context.mask_token":
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any() or name.endswith("key.bias"), name


def test_a_scan_without_a_valid_entry_counts_as_missing():
    model = build(**SIZES[0])
    inputs = draw(model)
    valid = torch.ones_like(inputs["timeseries"], dtype=torch.bool)
    valid[1] = False
    hidden = torch.ones_like(valid)
    output = model(**inputs, valid=valid, hidden=hidden, return_attention=True)
    assert torch.equal(output.fused[1], output.structural[1])
    assert not output.temporal[1].any()
    output.fused.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_attention_rows_sum_to_one():
    model = build(**SIZES[0])
    valid, _ = masks(model)
    with torch.no_grad():
        attention = model(**draw(model), valid=valid, return_attention=True).attention
    for name in ("spatial", "temporal", "perceiver"):
        sums = attention[name].sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))
    assert not attention["spatial"][:, 0, :, :, 1].any()
    assert not attention["temporal"][:, 0, :, :, 2].any()
    assert not attention["perceiver"][0, :, 1].any()
    # The shares of signed attention are what is left of one after zero edges took theirs.
    absolute = attention["structural"].abs().sum(-1)
    torch.testing.assert_close(absolute, torch.ones_like(absolute))


def test_an_empty_edge_mask_decodes_nothing_and_hides_nothing():
    model = build(**SIZES[0])
    connectome = draw(model)["connectome"]
    with torch.no_grad():
        output = model(connectome=connectome, edges=torch.zeros(2, 6, 6, dtype=torch.bool))
        assert not output.edges.any()
        assert_close(output.structural, model(connectome=connectome).structural)


def test_streams_runs_only_what_is_asked_for():
    model = build(**SIZES[0])
    streams = model.streams(draw(model)["timeseries"], parts=("temporal",))
    assert streams.spatial is None
    assert streams.context is None
    assert streams.temporal.shape == (2, 9, 8)


@pytest.mark.parametrize(
    ("modules", "present"),
    [
        (("spatial",), {"spatial"}),
        (("spatial", "temporal"), {"spatial", "temporal"}),
        (("context",), set()),
        (
            ("spatial", "temporal", "context", "perceiver"),
            {"spatial", "temporal", "functional", "fused", "reconstruction"},
        ),
        (("structural",), {"structural", "fused", "edges"}),
        (("spatial", "structural", "gate"), {"spatial", "structural", "edges"}),
    ],
)
def test_a_partial_model_computes_what_its_parts_allow(modules, present):
    model = build(**SIZES[0], modules=modules)
    inputs = draw(model)
    if "structural" not in modules:
        with pytest.raises(ValueError, match="no part 'structural'; it has " + modules[0]):
            model(**inputs)
        del inputs["connectome"]
    elif modules == ("structural",):
        with pytest.raises(ValueError, match=r"none of the parts .* it has structural"):
            model(**inputs)
        del inputs["timeseries"]
    output = model(**inputs)
    names = {field.name for field in dataclasses.fields(output)}
    assert {name for name in names if getattr(output, name) is not None} == present
    assert model.part(modules[0]) is getattr(model, modules[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(timeseries=None, connectome=None), "Neither"),
        (dict(timeseries=torch.zeros(2, 6, 9)), "Transpose"),
        (dict(timeseries=torch.zeros(9, 6)), "timeseries has shape"),
        (dict(timeseries=torch.zeros(3, 9, 6)), "3 rows and connectome 2"),
        (dict(connectome=torch.zeros(2, 5, 6)), "connectome has shape"),
        (dict(valid=torch.ones(2, 9, 6)), r"valid is torch.float32"),
        (dict(hidden=torch.ones(2, 6, 9, dtype=torch.bool)), "hidden is torch.bool of shape"),
        (dict(has_connectome=torch.ones(3, dtype=torch.bool)), "has_connectome"),
        (dict(edges=torch.ones(6, 6, dtype=torch.bool)), "edges"),
        (dict(gradients=torch.zeros(6, 4)), "learnable positions"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    model = build(**SIZES[0])
    with pytest.raises(ValueError, match=message):
        model(**{**draw(model), **change})


@pytest.mark.parametrize("gradients", [None, torch.zeros(5, 3), torch.zeros(3, 5, 4)])
def test_gradients_must_fit(gradients):
    model = build(**SIZES[2])
    with pytest.raises(ValueError, match="brain gradients"):
        model(timeseries=draw(model)["timeseries"], gradients=gradients)


def test_gradients_of_a_scan_or_of_all_and_missing_ones():
    model = build(**SIZES[2])
    inputs = draw(model)
    gradients = inputs["gradients"]
    gradients[0] = 0.0
    expected = model(**inputs).functional
    inputs["gradients"] = gradients.expand(2, -1, -1).clone()
    inputs["gradients"][:, 0] = torch.nan
    assert_close(model(**inputs).functional, expected)


def test_autocast_gives_close_and_finite_results():
    model = build(**SIZES[0], structural_attention="multi_hop")
    inputs = draw(model)
    with torch.no_grad():
        plain = model(**inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(**inputs, edges=torch.ones(2, 6, 6, dtype=torch.bool))
    assert mixed.edges.isfinite().all()
    assert mixed.functional.isfinite().all()
    assert (mixed.functional.float() - plain.functional).abs().max() < 0.3
