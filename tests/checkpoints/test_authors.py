import re

import pytest
import torch

from bsymlearn import convert_authors_checkpoint, load_checkpoint
from bsymlearn.encoders import PARTS

R, T, D, MLP, WIDTH = 5, 7, 8, 12, 3


def layer(name, n_out, n_in):
    return {f"{name}.weight": (n_out, n_in), f"{name}.bias": (n_out,)}


def norm(name):
    return {f"{name}.weight": (D,), f"{name}.bias": (D,)}


def blocks(name, n_layers, mlp):
    shapes = {}
    for i in range(n_layers):
        block = f"{name}.{i}"
        shapes |= {f"{block}.attn.qkv.weight": (3 * D, D)} | layer(f"{block}.attn.fc_out", D, D)
        shapes |= norm(f"{block}.norm1") | norm(f"{block}.norm2")
        shapes |= layer(f"{block}.mlp.0", mlp, D) | layer(f"{block}.mlp.2", D, mlp)
    return shapes


def structural_layers(n_layers):
    shapes = {}
    for i in range(n_layers):
        for name in ("q_linear", "k_linear", "v_linear", "out_linear"):
            shapes |= layer(f"layers.{i}.{name}", D, D)
        shapes |= norm(f"layers.{i}.layer_norm1") | norm(f"layers.{i}.layer_norm2")
        shapes |= layer(f"layers.{i}.ffn.0", 4 * D, D) | layer(f"layers.{i}.ffn.2", D, 4 * D)
    return shapes


# The authors' names and shapes, at small sizes.
SHAPES = {
    "spatial": blocks("layers", 2, MLP)
    | layer("embedding_layer", D, T)
    | {"pos_enc.pe": (1, 9, D), "pos_enc.alpha": ()}
    | norm("pos_enc.ln"),
    "temporal": blocks("layers", 2, MLP)
    | layer("embedding_layer", D, R)
    | {"pos_enc.pe": (1, 11, D)},
    "context": {"mask_token": (1,), "conv1d.weight": (64, 1, 5), "conv1d.bias": (64,)}
    | layer("decoder.0", 32, 64)
    | layer("decoder.2", 8, 32)
    | layer("decoder.4", 1, 8),
    "fusion": {"latents": (R, D)}
    | layer("input_proj", D, 3 * WIDTH)
    | norm("input_ln")
    | {"cross_attn.in_proj_weight": (3 * D, D), "cross_attn.in_proj_bias": (3 * D,)}
    | layer("cross_attn.out_proj", D, D)
    | norm("cross_attn_norm")
    | blocks("latent_transformers", 1, 4 * D)
    | layer("head.0", 2 * D, D)
    | layer("head.2", T, 2 * D)
    | layer("roi_proj", WIDTH, D)
    | layer("time_proj", WIDTH, D)
    | layer("signal_proj", WIDTH, 64),
    "structural": {"pos_embed": (R, D)}
    | layer("input_proj", D, R)
    | layer("positional_proj", D, 30)
    | structural_layers(2)
    | layer("edge_weight_predictor.0", 512, 2 * D)
    | layer("edge_weight_predictor.2", 128, 512)
    | layer("edge_weight_predictor.4", 1, 128),
    "gate": layer("gate_proj", D, 2 * D),
}
UNUSED = ("pos_enc.alpha", "pos_enc.ln", "decoder", "positional_proj")


def sinusoids(n_rows):
    t = torch.arange(n_rows)[:, None].double()
    angles = t / 10000 ** (torch.arange(0, D, 2) / D)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(1, n_rows, D).float()


def state(part):
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES[part].items()}
    if part == "temporal":
        drawn["pos_enc.pe"] = sinusoids(11)
    return drawn


def release(folder, changes=None, parts=tuple(SHAPES)):
    """Write the files as the authors lay them out, some with changed tensors (None: without)."""
    for part in parts:
        home = {"structural": "structural_v1", "gate": "."}.get(part, "functional_v1")
        (folder / home).mkdir(parents=True, exist_ok=True)
        tensors = {**state(part), **(changes or {}).get(part, {})}
        torch.save(
            {name: tensor for name, tensor in tensors.items() if tensor is not None},
            folder / home / f"{part}.pth",
        )
    return folder


def test_sizes_come_from_the_shapes(tmp_path):
    directory = convert_authors_checkpoint(
        release(tmp_path / "in"), tmp_path / "out", n_heads=2, max_hops=4, n_rois=R
    )
    config = load_checkpoint(directory).config
    assert config.modules == PARTS
    assert (config.n_rois, config.time_steps, config.dim, config.mlp_dim) == (R, T, D, MLP)
    assert (config.n_layers, config.n_latent_blocks, config.structural_layers) == (2, 1, 2)
    assert (config.perceiver_width, config.n_positions) == (WIDTH, 9)
    assert (config.n_heads, config.max_hops) == (2, 4)


def test_tensors_arrive_where_they_belong(tmp_path):
    model = load_checkpoint(convert_authors_checkpoint(release(tmp_path / "in"), tmp_path / "out"))
    fusion, spatial = state("fusion"), state("spatial")
    assert torch.equal(model.perceiver.key.weight, fusion["cross_attn.in_proj_weight"][D : 2 * D])
    assert torch.equal(model.perceiver.value.bias, fusion["cross_attn.in_proj_bias"][2 * D :])
    assert torch.equal(model.spatial.positions.table, spatial["pos_enc.pe"][0])
    assert torch.equal(model.context.mask_token, state("context")["mask_token"])


def test_torch_runs_the_converted_cross_attention_alike(tmp_path):
    model = load_checkpoint(convert_authors_checkpoint(release(tmp_path / "in"), tmp_path / "out"))
    part = model.perceiver
    theirs = torch.nn.MultiheadAttention(D, 2, batch_first=True)
    prefix = "cross_attn."
    theirs.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state("fusion").items() if k.startswith(prefix)}
    )
    query, tokens = torch.randn(1, R, D), torch.randn(1, R * T, D)
    heads = [part._heads(f(x)) for f, x in ((part.query, query), (part.key, tokens))]
    value = part._heads(part.value(tokens))
    mixed = torch.nn.functional.scaled_dot_product_attention(*heads, value)
    ours = part.output(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(ours, theirs(query, tokens, tokens)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", list(SHAPES))
def test_every_file_converts_alone_and_by_its_keys(tmp_path, part):
    torch.save(state(part), tmp_path / "any name.pth")
    directory = convert_authors_checkpoint(
        tmp_path / "any name.pth", tmp_path / "out", n_rois=R, time_steps=T
    )
    assert load_checkpoint(directory).config.modules == ("perceiver" if part == "fusion" else part,)


def test_a_list_of_sources(tmp_path):
    release(tmp_path / "in", parts=("structural", "gate"))
    sources = [tmp_path / "in" / "structural_v1", tmp_path / "in" / "gate.pth"]
    directory = convert_authors_checkpoint(sources, tmp_path / "out")
    assert load_checkpoint(directory).config.modules == ("structural", "gate")


TENSORS = [(part, name) for part, shapes in SHAPES.items() for name in shapes]


@pytest.mark.parametrize(("part", "name"), TENSORS)
def test_a_missing_or_misshapen_tensor_is_named(tmp_path, part, name):
    def convert(tensor):
        source = release(tmp_path / "in", {part: {name: tensor}}, parts=(part,))
        convert_authors_checkpoint(source, tmp_path / "out", n_rois=R, time_steps=T)

    if name.startswith(UNUSED):
        convert(None)
    else:
        with pytest.raises(ValueError, match=re.escape(name)):
            convert(None)
    for shape in ((*SHAPES[part][name], 2), tuple(n + 1 for n in SHAPES[part][name])):
        if shape:
            with pytest.raises(ValueError, match=re.escape(name)):
                convert(torch.zeros(shape))


@pytest.mark.parametrize("part", list(SHAPES))
@pytest.mark.parametrize("name", ["stray.weight", "layers.2.attn.qkv.weight", "head.9"])
def test_a_surplus_tensor_is_named(tmp_path, part, name):
    source = release(tmp_path / "in", {part: {name: torch.zeros(2, 2)}})
    with pytest.raises(ValueError, match=re.escape(name)):
        convert_authors_checkpoint(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (dict(n_rois=6), r"n_rois=6 contradicts .* says 5"),
        (dict(dim=16), "dim=16 contradicts"),
        (dict(positions="gradient"), "positions='gradient' contradicts pos_enc.pe"),
        (dict(modules=("spatial",)), "contradicts the files given"),
        (dict(n_heads=3), "n_heads=3"),
        (dict(heads=3), "'heads'"),
    ],
)
def test_overrides_that_cannot_be_are_refused(tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        convert_authors_checkpoint(release(tmp_path / "in"), tmp_path / "out", **overrides)


@pytest.mark.parametrize("table", [True, False])
def test_laplacian_positions_are_an_override(tmp_path, table):
    changes = {} if table else {"structural": {"pos_embed": None}}
    source = release(tmp_path / "in", changes, parts=("structural",))
    directory = convert_authors_checkpoint(
        source, tmp_path / "out", structural_positions="laplacian"
    )
    projection = load_checkpoint(directory).structural.positional_projection
    assert torch.equal(projection.weight, state("structural")["positional_proj.weight"])


def test_sinusoids_must_be_sinusoids_and_long_enough(tmp_path):
    changed = sinusoids(11)
    changed[0, 3, 2] += 1e-3
    for table, message in ((changed, "differs"), (sinusoids(6), "at least 7")):
        source = release(tmp_path / "in", {"temporal": {"pos_enc.pe": table}})
        with pytest.raises(ValueError, match=message):
            convert_authors_checkpoint(source, tmp_path / "out")


def test_files_that_disagree(tmp_path):
    wide = {"gate_proj.weight": torch.zeros(10, 20), "gate_proj.bias": torch.zeros(10)}
    with pytest.raises(ValueError, match=r"says dim=8, but gate_proj\.bias of gate says dim=10"):
        convert_authors_checkpoint(release(tmp_path / "in", {"gate": wide}), tmp_path / "out")


def test_what_cannot_be_told_is_asked_for(tmp_path):
    source = release(tmp_path / "in", parts=("context",))
    with pytest.raises(ValueError, match="n_rois"):
        convert_authors_checkpoint(source, tmp_path / "out")


def test_mixed_up_doubled_foreign_and_absent_files(tmp_path):
    torch.save(state("gate"), tmp_path / "spatial.pth")
    with pytest.raises(ValueError, match="named spatial but holds gate_proj"):
        convert_authors_checkpoint(tmp_path / "spatial.pth", tmp_path / "out")
    torch.save(state("gate"), tmp_path / "one.pth")
    torch.save(state("gate"), tmp_path / "two.pth")
    with pytest.raises(ValueError, match=r"one\.pth and .*two\.pth both"):
        convert_authors_checkpoint([tmp_path / "one.pth", tmp_path / "two.pth"], tmp_path / "out")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "foreign.pth")
    with pytest.raises(ValueError, match=r"fc\.weight.*no part"):
        convert_authors_checkpoint(tmp_path / "foreign.pth", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="functional_v1"):
        convert_authors_checkpoint(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert_authors_checkpoint(tmp_path / "nowhere", tmp_path / "out")


class Runs:
    """Pickles as a call that leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_file_never_runs(tmp_path):
    torch.save({"gate_proj.weight": Runs(tmp_path / "trace")}, tmp_path / "gate.pth")
    with pytest.raises(ValueError, match="not unpickled"):
        convert_authors_checkpoint(tmp_path / "gate.pth", tmp_path / "out", n_rois=3)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", [1, 2], {"state": {"a": 1}}])
def test_files_that_hold_no_state_dict(tmp_path, content):
    path = tmp_path / "gate.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match="state_dict"):
        convert_authors_checkpoint(path, tmp_path / "out", n_rois=3)


def test_conversion_leaves_the_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    load_checkpoint(convert_authors_checkpoint(release(tmp_path / "in"), tmp_path / "out"))
    # `release` draws from its own generator.
    assert torch.equal(torch.get_rng_state(), before)
