r"""Which method is best on your own photographs: one line, a table of all.

    python -m apt_jax grid --config configs/studies/own.py --config.data.root=PHOTOS \
        --workdir runs/compare

PHOTOS is a folder with CLASS/* or train/CLASS/* and test/CLASS/*, a table, or
hf:OWNER/NAME, and `data.*` are the fields of a run (configs/folder.py, docs/datasets.md).
All labelled photographs train; --config.shots=4,16,0 compares fewer with all. Photographs
that nobody has split are divided by each of the seeds.

These methods read what the frozen tower says of a picture, so the time is the tower's, at
ten passes a second on two CPU cores: 31 for a photograph to train on (ten crops at each of
two areas, ten more for CLAP, the centre crop; whoever wants the same shares it), one for
a photograph to judge. Each method has 20,000 crops at most, so of more than 2,000
photographs, or 1,000 for CLAP, fewer of each; --config.augment.views=N gives all methods N.
All other methods may be named too, --config.methods=apt,coop,vapt; those with a tower in
the loop want a GPU. Several data sets at once are `sets`, as in photos.py.
"""

from apt_jax.grid import study

TIP_ADAPTER_F = {"method": {"name": "tip_adapter", "trained": True}}


def get_config(arg=None):
    c = study.default(source="folder")
    c.methods = (
        "zero_shot",
        "linear_probe",
        "tip_adapter",
        "tip_adapter_f",
        "clip_adapter",
        "task_res",
        "clap",
        "gda",
        "lp_plus_plus",
        "apt",
    )
    c.variants = {"tip_adapter_f": TIP_ADAPTER_F}
    c.shots, c.seeds = (0,), (1, 2, 3)
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
