"""BrainSymphony as its equations read: one scan, loops, double precision, no optimisation.

The weights come as a dict of named tensors; nothing here is shared with the package.
"""

import math

import torch


def linear(weights, name, x):
    y = x @ weights[f"{name}.weight"].T
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def layer_norm(weights, name, x):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    scale, offset = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return (x - mean) / (variance + 1e-5).sqrt() * scale + offset


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def softmax_attention(query, key, value, keys, n_heads):
    """Queries (N, D), keys and values (M, D); `keys` lists the keys that exist."""
    width = query.shape[1] // n_heads
    mixed, weights = torch.zeros_like(query), torch.zeros(n_heads, len(query), len(key)).double()
    for head in range(n_heads):
        own = slice(head * width, (head + 1) * width)
        for i in range(len(query)):
            terms = torch.zeros(len(key)).double()
            for j in keys:
                terms[j] = torch.exp(query[i, own] @ key[j, own] / math.sqrt(width))
            weights[head, i] = terms / terms.sum()
            mixed[i, own] = weights[head, i] @ value[:, own]
    return mixed, weights


def block(weights, name, x, keys, n_heads):
    """x += MHSA(LN x); x += MLP(LN x)."""
    dim = x.shape[1]
    projected = linear(weights, f"{name}.attention.qkv", layer_norm(weights, f"{name}.norm1", x))
    query, key, value = projected[:, :dim], projected[:, dim : 2 * dim], projected[:, 2 * dim :]
    mixed, attention = softmax_attention(query, key, value, keys, n_heads)
    x = x + linear(weights, f"{name}.attention.output", mixed)
    inner = gelu(linear(weights, f"{name}.mlp.0", layer_norm(weights, f"{name}.norm2", x)))
    return x + linear(weights, f"{name}.mlp.2", inner), attention


def functional(weights, config, timeseries, gradients=None, valid=None, hidden=None):
    """Outputs of the fMRI branch for one scan (T, R)."""
    n_times, n_rois = timeseries.shape
    valid = torch.ones_like(timeseries, dtype=torch.bool) if valid is None else valid
    hidden = torch.zeros_like(valid) if hidden is None else hidden
    seen, filled = torch.zeros(n_rois, n_times).double(), torch.zeros(n_rois, n_times).double()
    for r in range(n_rois):
        for t in range(n_times):
            if valid[t, r] and hidden[t, r]:
                filled[r, t] = weights["context.mask_token"][0]
            elif valid[t, r]:
                seen[r, t] = filled[r, t] = timeseries[t, r]

    # Spatial: Linear(T -> D)(x_r) + position.
    x = linear(weights, "spatial.embedding", seen)
    if config.positions == "learnable":
        code = weights["spatial.positions.table"][:n_rois]
        x = x + code
    else:
        code = weights["spatial.positions.alpha"] * linear(
            weights, "spatial.positions.projection", gradients
        )
        x = layer_norm(weights, "spatial.positions.norm", x + code)
    rois = [r for r in range(n_rois) if valid[:, r].any()]
    spatial_attention = []
    for i in range(config.n_layers):
        x, attention = block(weights, f"spatial.blocks.{i}", x, rois, config.n_heads)
        spatial_attention.append(attention)
    spatial = x

    # Temporal: Linear(R -> D)(x_t) + sinusoids.
    x = linear(weights, "temporal.embedding", seen.T)
    for t in range(n_times):
        for d in range(config.dim):
            angle = t / 10000 ** (2 * (d // 2) / config.dim)
            x[t, d] += math.sin(angle) if d % 2 == 0 else math.cos(angle)
    times = [t for t in range(n_times) if valid[t].any()]
    temporal_attention = []
    for i in range(config.n_layers):
        x, attention = block(weights, f"temporal.blocks.{i}", x, times, config.n_heads)
        temporal_attention.append(attention)
    temporal = x

    # Context: Conv1d(1 -> 64, kernel 5, padding 2).
    kernel = weights["context.convolution.weight"][:, 0]
    context = torch.zeros(n_rois, n_times, 64).double()
    for t in range(n_times):
        context[:, t] = weights["context.convolution.bias"]
        for tap in range(5):
            if 0 <= t + tap - 2 < n_times:
                context[:, t] += filled[:, t + tap - 2, None] * kernel[:, tap]

    # Perceiver: tokens LN(W [A s; B h; C c] + b), in the order (r, t).
    tokens, existing = [], []
    for r in range(n_rois):
        for t in range(n_times):
            joined = torch.cat(
                [
                    linear(weights, "perceiver.spatial_projection", spatial[r]),
                    linear(weights, "perceiver.temporal_projection", temporal[t]),
                    linear(weights, "perceiver.context_projection", context[r, t]),
                ]
            )
            token = linear(weights, "perceiver.input_projection", joined)
            tokens.append(layer_norm(weights, "perceiver.input_norm", token))
            if valid[t, r]:
                existing.append(r * n_times + t)
    tokens = torch.stack(tokens)
    mixed, attention = softmax_attention(
        linear(weights, "perceiver.query", weights["perceiver.latents"] + code),
        linear(weights, "perceiver.key", tokens),
        linear(weights, "perceiver.value", tokens),
        existing,
        config.perceiver_heads,
    )
    x = layer_norm(weights, "perceiver.output_norm", linear(weights, "perceiver.output", mixed))
    for i in range(config.n_latent_blocks):
        x, _ = block(weights, f"perceiver.blocks.{i}", x, range(n_rois), config.perceiver_heads)
    between = torch.zeros(n_rois, n_rois).double()
    for r in range(n_rois):
        between[:, r] = attention[:, :, r * n_times : (r + 1) * n_times].sum(-1).mean(0)
    return {
        "spatial": spatial,
        "temporal": temporal,
        "context": context,
        "functional": x,
        "reconstruction": linear(
            weights, "perceiver.head.2", gelu(linear(weights, "perceiver.head.0", x))
        ).T,
        "attention": {
            "spatial": torch.stack(spatial_attention),
            "temporal": torch.stack(temporal_attention),
            "perceiver": between,
        },
    }


def hop_matrices(config, connectome):
    """The set of matrices over which signed attention is averaged."""
    if config.structural_attention == "first_hop":
        return [connectome]
    if config.structural_attention == "multi_hop":
        paths = [connectome]
        for _ in range(2, config.max_hops + 1):
            product = paths[-1] @ connectome
            paths.append(product / ((product**2).sum().sqrt() + 1e-8))
        return paths
    degree = connectome.abs().sum(1) + 1e-10
    normalised = torch.diag(degree**-0.5) @ connectome @ torch.diag(degree**-0.5)
    return [
        sum(config.diffusion_theta**k * torch.linalg.matrix_power(normalised, k) for k in range(10))
    ]


def structural(weights, config, connectome, edges=None):
    """Outputs of the structural branch for one connectome (R, R), learnable positions."""
    n_rois = len(connectome)
    hidden = torch.zeros(n_rois, n_rois, dtype=torch.bool)
    if edges is not None:
        hidden = edges | edges.T
    connectome = connectome * ~hidden
    x = linear(weights, "structural.embedding", connectome) + weights["structural.positions"]
    width = config.dim // config.structural_heads
    hops = hop_matrices(config, connectome)
    attention = torch.zeros(
        config.structural_layers, config.structural_heads, n_rois, n_rois
    ).double()
    for layer in range(config.structural_layers):
        name = f"structural.layers.{layer}"
        query, key, value = (linear(weights, f"{name}.{p}", x) for p in ("query", "key", "value"))
        mixed = torch.zeros_like(x)
        for head in range(config.structural_heads):
            own = slice(head * width, (head + 1) * width)
            for i in range(n_rois):
                for hop in hops:
                    signed, total = torch.zeros(n_rois).double(), 1e-10
                    for j in range(n_rois):
                        if not hidden[i, j]:
                            z = hop[i, j] * (query[i, own] @ key[j, own]) / math.sqrt(width)
                            signed[j] = torch.sign(z) * torch.exp(z.abs())
                            total = total + torch.exp(z.abs())
                    attention[layer, head, i] += signed / total / len(hops)
                mixed[i, own] = attention[layer, head, i] @ value[:, own]
        x = layer_norm(weights, f"{name}.norm1", x + linear(weights, f"{name}.output", mixed))
        inner = linear(weights, f"{name}.mlp.0", x).clamp_min(0)
        x = layer_norm(weights, f"{name}.norm2", x + linear(weights, f"{name}.mlp.2", inner))
    decoded = torch.zeros(n_rois, n_rois).double()
    for i in range(n_rois):
        for j in range(n_rois):
            if edges is None or edges[i, j]:
                h = torch.cat([x[i], x[j]])
                for step in (0, 2):
                    h = linear(weights, f"structural.edge_decoder.{step}", h).clamp_min(0)
                decoded[i, j] = linear(weights, "structural.edge_decoder.4", h)[0]
    return {"structural": x, "edges": decoded, "attention": {"structural": attention}}


def fused(weights, functional_embedding, structural_embedding):
    """The gate g and g f + (1 - g) s."""
    joined = torch.cat([functional_embedding, structural_embedding], -1)
    gate = 1 / (1 + torch.exp(-linear(weights, "gate.projection", joined)))
    return gate * functional_embedding + (1 - gate) * structural_embedding, gate
