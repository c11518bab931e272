"""Text to token ids: CLIP's byte-level BPE, by `transformers`.

The end token's position is handed out with the ids, because published configs cannot be
trusted with it: most say `eos_token_id: 2`, an ordinary byte, where the end token is the
last of the vocabulary. The first end token is the text's end; padding repeats it, which
changes nothing under a causal mask.
"""

import os
from pathlib import Path

import numpy as np

from apt_jax.errors import UserError
from apt_jax.files import digest

START, END = "<|startoftext|>", "<|endoftext|>"
FILES = ("vocab.json", "merges.txt")


class Tokenizer:
    """Encodes texts for one CLIP; equal to another of the same files.

    Compiled programs carry it as a constant, and serve every equal one.
    """

    def __init__(self, folder, context_length: int):
        """Reads the vocabulary in `folder`; raises `UserError` if it is not there."""
        self.context_length = context_length
        if missing := [name for name in FILES if not (Path(folder) / name).exists()]:
            raise UserError(
                f"{folder} has no {' and no '.join(missing)}; put the tokenizer files "
                "of the checkpoint there"
            )
        contents = (digest((Path(folder) / name).read_text("utf-8")) for name in FILES)
        self._identity = (context_length, *contents)
        self._bpe = _clip_tokenizer(folder)
        self.start, self.end = self._bpe.convert_tokens_to_ids([START, END])

    def __eq__(self, other):
        return isinstance(other, Tokenizer) and self._identity == other._identity

    def __hash__(self):
        return hash(self._identity)

    def encode(self, texts) -> tuple[np.ndarray, np.ndarray]:
        """[n, L] int32 ids padded with the end token, and [n] int32 its position.

        A text longer than the context is cut, and ends with the end token.
        """
        ids = np.full((len(texts), self.context_length), self.end, np.int32)
        eos = np.empty(len(texts), np.int32)
        for row, text in enumerate(texts):
            found = self._ids(text)[: self.context_length - 1]
            ids[row, : len(found)] = found
            # A text may spell the end token itself: the first one ends it.
            eos[row] = found.index(self.end) if self.end in found else len(found)
        return ids, eos

    def is_cut(self, text: str) -> bool:
        """Whether `text` is longer than this CLIP can read."""
        return len(self._ids(text)) + 1 > self.context_length

    def _ids(self, text):
        """Ids with the start token and without the end token."""
        return [self.start, *self._bpe.encode(text, add_special_tokens=False)]


def _clip_tokenizer(folder):
    # Said at import and for long texts: that there is no torch, and what is_cut tells.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
