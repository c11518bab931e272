"""FGVC-Aircraft, 100 variants: the data set the method's paper gains most on.

    python train.py --config configs/aircraft.py --config.data.root=DATA

DATA holds fgvc-aircraft-2013b.tar.gz, or what it unpacks to. The 70 families or 30
manufacturers instead: --config.data.labels=family or manufacturer. As TFDS data, which
download by themselves (python -m apt_jax prepare fgvc_aircraft/variant):
--config.data.source=tfds --config.data.name=fgvc_aircraft/variant.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 46.74 % (its README), GDA 50.33 %
(its logs); zero-shot with OpenAI's prompt ensemble 24.18 % (LAION's CLIP_benchmark). Ours
on real CLIP weights has not been measured. The default run, 16 shots in 10 views and the
centre crop, and 3,333 test images, is 20,933 passes of the tower: some 35 minutes at ten a
second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="aircraft")
    c.data.name = "fgvc_aircraft"
    c.data.root = "fgvc-aircraft-2013b"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
