"""Class names as a CLIP reads them: whole, and no two of them the same."""

import collections

from apt_jax.data.listing import listed
from apt_jax.data.templates import prompts
from apt_jax.errors import UserError
from apt_jax.words import counted


def require_prompts(clip, texts):
    """Refuses class names that a CLIP would not read whole, or not tell apart.

    `texts` are names, templates and descriptions (`Dataset.texts`).
    """
    if clip.tokenizer is not None:
        require_whole_prompts(clip.tokenizer, texts)
        require_distinct_prompts(clip.tokenizer, texts)


def require_whole_prompts(tokenizer, texts):
    """Refuses class names that the text tower would not read to their end."""
    cut = [
        name
        for name, of_class in zip(texts[0], prompts(*texts), strict=True)
        if any(tokenizer.is_cut(prompt) for prompt in of_class)
    ]
    if cut:
        raise UserError(
            f"the tokenizer cuts the prompt of {', '.join(map(repr, cut[:10]))} "
            f"({counted(len(cut), 'class', 'classes')}): longer than this CLIP can "
            "read; shorten the class names, their descriptions or the template "
            "(`templates`)"
        )


def require_distinct_prompts(tokenizer, texts):
    """Refuses class names that are one to the text tower: prompts of the same tokens."""
    same = collections.defaultdict(list)
    for name, of_class in zip(texts[0], prompts(*texts), strict=True):
        ids, _ = tokenizer.encode(of_class)
        same[ids.tobytes()].append(repr(name))
    if twice := [" = ".join(names) for names in same.values() if len(names) > 1]:
        raise UserError(
            f"class names that CLIP reads as equal ({listed(twice)}); rename them, or "
            "give them other words (`classes`)"
        )
