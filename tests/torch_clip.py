"""Random CLIP checkpoints made by `transformers`' torch model, for parity tests."""

import warnings

import numpy as np

SMALL = {
    "vision": {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 20,
        "patch_size": 6,
    },
    "text": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 50,
        "max_position_embeddings": 11,
    },
    "projection_dim": 12,
}
VIT_L = {"hidden_size": 1024, "intermediate_size": 4096}
FULL_SIZE = {
    "B/32": {"vision": {"patch_size": 32}, "text": {}, "projection_dim": 512},
    "B/16": {"vision": {"patch_size": 16}, "text": {}, "projection_dim": 512},
    "L/14": {
        "vision": VIT_L
        | {"patch_size": 14, "num_hidden_layers": 24, "num_attention_heads": 16},
        "text": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_attention_heads": 12,
        },
        "projection_dim": 768,
    },
}


def random_model(sizes, activation="quick_gelu", seed=0):
    """A torch CLIPModel whose every weight, bias and norm is random."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    vocab = sizes["text"].get("vocab_size", 49408)
    config = CLIPConfig(
        vision_config=sizes["vision"] | {"hidden_act": activation},
        text_config=sizes["text"]
        | {
            "hidden_act": activation,
            "bos_token_id": vocab - 2,
            "eos_token_id": vocab - 1,
        },
        projection_dim=sizes["projection_dim"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CLIPModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif name == "logit_scale":
                parameter.fill_(3.0)
    return model


def inputs(model, batch=2, seed=1):
    """Pixels [B, H, W, 3], ids [B, L] and the end's position [B], NumPy."""
    generator = np.random.default_rng(seed)
    vision, text = model.config.vision_config, model.config.text_config
    shape = (batch, vision.image_size, vision.image_size, 3)
    pixels = generator.normal(size=shape).astype(np.float32)
    end, length = text.vocab_size - 1, min(text.max_position_embeddings, 24)
    ids = generator.integers(3, end, (batch, length)).astype(np.int32)
    eos = np.array([length - 1, length // 2][:batch], np.int32)
    for row, position in enumerate(eos):
        ids[row, position:] = end
    return pixels, ids, eos


def outputs(model, pixels, ids) -> dict[str, np.ndarray]:
    """What the torch model says: embeddings, tokens, hidden states, logits."""
    import torch

    with torch.no_grad():
        images = torch.tensor(pixels.transpose(0, 3, 1, 2))
        both = model(
            input_ids=torch.tensor(ids, dtype=torch.int64),
            pixel_values=images,
            output_hidden_states=True,
        )
        vision, text = both.vision_model_output, both.text_model_output
        last = vision.last_hidden_state
        # The model's pooler_output is the projected embedding, not yet unit.
        norm, project = model.vision_model.post_layernorm, model.visual_projection
        found = {
            "tokens": project(norm(last)),
            "embedding": vision.pooler_output,
            "text": text.pooler_output,
            "logits": both.logits_per_image,
            "penultimate": project(norm(vision.hidden_states[-2])),
        }
        found |= {f"image_{i}": h for i, h in enumerate(vision.hidden_states[1:])}
        found |= {f"text_{i}": h for i, h in enumerate(text.hidden_states[1:])}
    return {name: value.numpy() for name, value in found.items()}
