"""Random plain ViTs made by `transformers`' torch models, for parity tests."""

import numpy as np

SMALL = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": 20,
    "patch_size": 6,
}
MAE_DECODER = {
    "decoder_hidden_size": 8,
    "decoder_intermediate_size": 12,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
}


def random_model(kind="ViTModel", sizes=SMALL, seed=0):
    """A torch model whose every weight, bias, norm and embedding is random."""
    import torch
    import transformers

    torch.manual_seed(seed)
    mae = kind == "ViTMAEForPreTraining"
    config = (
        transformers.ViTMAEConfig(**sizes, **MAE_DECODER)
        if mae
        else transformers.ViTConfig(**sizes)
    )
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif parameter.ndim == 3:  # positions and tokens
                parameter.copy_(0.5 * torch.randn_like(parameter))
    return model


def plain(model):
    """The ViTModel inside a model, with the same tensors; an MAE's masks nothing."""
    import transformers

    if isinstance(model, transformers.ViTModel):
        return model
    if isinstance(model, transformers.ViTMAEForPreTraining):
        fields = {name: getattr(model.config, name) for name in SMALL}
        encoder = transformers.ViTModel(
            transformers.ViTConfig(**fields), add_pooling_layer=False
        )
        encoder.load_state_dict(model.vit.state_dict())  # every name, or an error
        return encoder.eval()
    return model.vit


def pixels_for(model, batch=2, seed=1):
    """[B, S, S, 3] normalised pixels, NumPy."""
    side = model.config.image_size
    generator = np.random.default_rng(seed)
    return generator.normal(size=(batch, side, side, 3)).astype(np.float32)


def outputs(model, pixels) -> dict[str, np.ndarray]:
    """What torch says: the embedding, all tokens, the hidden state of each block."""
    import torch

    model = plain(model)
    with torch.no_grad():
        images = torch.tensor(pixels.transpose(0, 3, 1, 2))
        found = model(pixel_values=images, output_hidden_states=True)
        last, hidden = found.last_hidden_state, found.hidden_states
        named = {
            "tokens": last,
            "embedding": last[:, 0],
            "penultimate": model.layernorm(hidden[-2]),
        }
        named |= {f"image_{i}": state for i, state in enumerate(hidden[1:])}
    return {name: value.numpy() for name, value in named.items()}


def google_arrays(model) -> dict[str, np.ndarray]:
    """The weights of a torch model under Google's names, in the shapes of its npz."""
    model = plain(model)
    weights = {name: x.detach().numpy() for name, x in model.state_dict().items()}
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    apart = (heads, width // heads)
    arrays = {
        "cls": weights["embeddings.cls_token"],
        "Transformer/posembed_input/pos_embedding": weights[
            "embeddings.position_embeddings"
        ],
        "embedding/kernel": weights[
            "embeddings.patch_embeddings.projection.weight"
        ].transpose(2, 3, 1, 0),
        "embedding/bias": weights["embeddings.patch_embeddings.projection.bias"],
        "Transformer/encoder_norm/scale": weights["layernorm.weight"],
        "Transformer/encoder_norm/bias": weights["layernorm.bias"],
        "pre_logits/kernel": np.zeros((width, width), np.float32),
        "pre_logits/bias": np.zeros(width, np.float32),
        "head/kernel": np.zeros((width, 7), np.float32),
        "head/bias": np.zeros(7, np.float32),
    }
    for i in range(model.config.num_hidden_layers):
        ours, theirs = f"Transformer/encoderblock_{i}/", f"layers.{i}."
        for norm, name in (
            ("LayerNorm_0", "layernorm_before"),
            ("LayerNorm_2", "layernorm_after"),
        ):
            arrays[f"{ours}{norm}/scale"] = weights[f"{theirs}{name}.weight"]
            arrays[f"{ours}{norm}/bias"] = weights[f"{theirs}{name}.bias"]
        for dense, name in (("Dense_0", "fc1"), ("Dense_1", "fc2")):
            for kind, of_torch in (("kernel", "weight"), ("bias", "bias")):
                array = weights[f"{theirs}mlp.{name}.{of_torch}"].T
                arrays[f"{ours}MlpBlock_3/{dense}/{kind}"] = array
        attention = f"{ours}MultiHeadDotProductAttention_1/"
        for name in ("query", "key", "value"):
            of_torch = f"{theirs}attention.{name[0]}_proj."
            kernel = weights[f"{of_torch}weight"].T
            arrays[f"{attention}{name}/kernel"] = kernel.reshape(width, *apart)
            arrays[f"{attention}{name}/bias"] = weights[f"{of_torch}bias"].reshape(
                apart
            )
        out = weights[f"{theirs}attention.o_proj.weight"].T
        arrays[f"{attention}out/kernel"] = out.reshape(*apart, width)
        arrays[f"{attention}out/bias"] = weights[f"{theirs}attention.o_proj.bias"]
    return arrays
