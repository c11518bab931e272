"""FGVC-Aircraft, 100 variants: the data set the method's paper gains most on.

    python train.py --config configs/aircraft.py --config.data.root=fgvc-aircraft-2013b

Unpack fgvc-aircraft-2013b.tar.gz and name its folder. 16 shots a class. For orientation:
zero-shot CLIP ViT-B/16 with OpenAI's prompt ensemble gets 24.2 % (published by
LAION's CLIP_benchmark, benchmark.csv). What the adapted model gets on real CLIP weights
has not been measured yet.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="aircraft")
    c.data.name = "fgvc_aircraft"
    c.data.root = "fgvc-aircraft-2013b"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
