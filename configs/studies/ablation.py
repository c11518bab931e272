"""What cross-attention itself brings, and which of its parts: one change at a time.

    python -m apt_jax grid --config configs/studies/ablation.py --workdir runs/ablation

The drawn aircraft, four labelled images a class, three seeds. Every variant is APT (or
CoOp) with its own recipe, but crops of at least half of a picture, and one change; `groups`
are the questions, and in grid.md each has a table of differences from its first name, over
the same seeds. The figures are of test images, so choose nothing by them. Other data sets:
`sets`, as in photos.py.

`coop_drop_30` loses 30 % of its context vectors in each sample: static prompts that keep
Monte-Carlo dropout. `task_res` is static where APT adapts, on the text features. Rates are
in percent; `attn`, `out`, `token` and `query` are places of APT's dropout, one at a time
(`attn` at 50 % is the default).
"""

from apt_jax.grid import study

RATES = (10, 30, 50)
PLACES = ("attn", "out", "token", "query")


def apt(**changes):
    return {"method": {"name": "apt", **changes}}


def coop(**changes):
    return {"method": {"name": "coop", **changes}}


def dropped(place, percent):
    """APT with dropout at one place alone."""
    return apt(**{"drop_attn": 0.0, f"drop_{place}": percent / 100})


# By what is asked; each is compared with the first of its group, APT as it is.
STATIC = {"coop": coop()} | {
    f"coop_drop_{rate}": coop(drop_context=rate / 100) for rate in RATES
}
FORM = {
    "random_start": apt(zero_init_out=False),
    "pure": apt(residual=False, zero_init_out=False),
}
HEADS = {"heads_1": apt(heads=1), "heads_4": apt(heads=4)}
LAYERS = {"layers_2": apt(layers=2)}
DROPOUT = {"no_dropout": apt(drop_attn=0.0)} | {
    f"{place}_{rate}": dropped(place, rate)
    for place in PLACES
    for rate in RATES
    if (place, rate) != ("attn", 50)
}
KEYS = {"without_cls": apt(cls_in_keys=False)}
SOURCE = {
    "penultimate": apt(token_source="penultimate"),
    "value_path": apt(token_source="value_path"),
}


def get_config(arg=None):
    c = study.default()
    variants = STATIC | FORM | HEADS | LAYERS | DROPOUT | KEYS | SOURCE
    c.methods, c.variants = ("apt", "task_res", *variants), variants
    c.groups = {
        "What does reading the image bring?": (
            "apt",
            "task_res",
            *STATIC,
            "no_dropout",
        ),
        "Added to the text feature, or in its place?": ("apt", *FORM),
        "How many heads?": ("apt", *HEADS),
        "How many layers?": ("apt", *LAYERS),
        "Where to drop, and how much?": ("apt", *DROPOUT),
        "The CLS token among the keys, or patches alone?": ("apt", *KEYS),
        "Tokens of which layer?": ("apt", *SOURCE),
    }
    c.datasets = ("synthetic",)
    c.sets = {"synthetic": {"source": "synthetic"}}
    c.shots, c.seeds = (4,), (1, 2, 3)
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.augment.area = 0.5  # of a picture this small, a crop of 8 % shows nothing
    return c
