"""Text to token ids: CLIP's byte-level BPE, by `transformers`.

Its words and merges are in `vocab.json` and `merges.txt`, or both in `tokenizer.json`,
which is all that transformers 5 saves.

The end token's position is handed out with the ids, because published configs cannot be
trusted with it: most say `eos_token_id: 2`, an ordinary byte, where the end token is the
last of the vocabulary. The first end token is the text's end; padding repeats it, which
changes nothing under a causal mask.
"""

import os
from pathlib import Path

import numpy as np

from apt_jax.clip.fields import shown
from apt_jax.clip.side_files import names_in, read_mapping, read_text
from apt_jax.errors import UserError
from apt_jax.files import digest
from apt_jax.names import storable

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
VOCABULARY, MERGES, BOTH = "vocab.json", "merges.txt", "tokenizer.json"
MOST_TOKENS = 2**24
REMEDY = "use the tokenizer files of the checkpoint"


class Tokenizer:
    """Encodes texts for one CLIP; equal to another of the same vocabulary.

    Compiled programs carry it as a constant, and serve every equal one.
    """

    def __init__(self, folder, context_length: int):
        """Reads the vocabulary in `folder`; raises `UserError` if it is not there."""
        self.context_length = context_length
        vocabulary, merges = read_bpe(Path(folder))
        self._identity = (context_length, digest([vocabulary, merges]))
        # Said at import and for long texts: that there is no torch, and what is_cut tells.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        from transformers import CLIPTokenizer

        self._bpe = CLIPTokenizer(vocab=vocabulary, merges=merges)
        self.start, self.end = vocabulary[START], vocabulary[END]
        self.size = 1 + max(vocabulary.values())  # rows that an embedding table needs

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


def files_in(folder: Path) -> tuple[str, ...]:
    """The files of a folder that hold its vocabulary."""
    names = names_in(folder)
    if BOTH in names and not {VOCABULARY, MERGES} <= names:
        return (BOTH,)
    if missing := [name for name in (VOCABULARY, MERGES) if name not in names]:
        raise UserError(
            f"{folder} has no {' and no '.join(missing)}; put the tokenizer files of the "
            f"checkpoint there, or its {BOTH}"
        )
    return VOCABULARY, MERGES


def read_bpe(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Ids by token, and the pairs that are joined, first ones first.

    Raises:
        UserError: if the files are no byte-level BPE of CLIP's, or damaged.
    """
    files = files_in(folder)
    if files == (BOTH,):
        vocabulary, merges = _both(folder / BOTH)
    else:
        vocabulary, merges = read_mapping(folder / VOCABULARY), _merges(folder / MERGES)
    if fault := _fault(vocabulary, merges):
        raise UserError(f"{folder / files[0]}: {fault}; {REMEDY}")
    return vocabulary, merges


def _both(path):
    """What a `tokenizer.json` says; its merges are pairs, or texts with a space."""
    fields = read_mapping(path)
    model, added = fields.get("model"), fields.get("added_tokens", [])
    if not isinstance(model, dict) or model.get("end_of_word_suffix") != END_OF_WORD:
        raise UserError(f"{path} is no tokenizer of a CLIP; {REMEDY}")
    vocabulary, merges = model.get("vocab"), model.get("merges")
    lists = isinstance(merges, list) and isinstance(added, list)
    if not lists or not isinstance(vocabulary, dict):
        raise UserError(f"{path} has no vocabulary and merges; {REMEDY}")
    special = {
        token.get("content"): token.get("id")
        for token in added
        if isinstance(token, dict) and token.get("content") in (START, END)
    }
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in merges)
    return vocabulary | special, [
        tuple(pair) if isinstance(pair, list) else pair for pair in pairs
    ]


def _merges(path):
    lines = read_text(path).split("\n")
    if lines[0].startswith("#version"):
        del lines[0]
    return [tuple(line.strip("\r").split(" ")) for line in lines if line.strip()]


def _fault(vocabulary, merges) -> str:
    """What is wrong with a vocabulary and its merges; nothing if they fit together."""
    for token in (START, END):
        if token not in vocabulary:
            return f"no token {token}, which every CLIP has"
    for token, number in vocabulary.items():
        if type(number) is not int or not 0 <= number < MOST_TOKENS:
            return f"token {shown(token)} has the id {shown(number)}"
        if storable(token) != token:  # JSON can spell half of a character
            return f"token {shown(token)} is no text"
    if len(set(vocabulary.values())) < len(vocabulary):
        return "two tokens have one id"
    for pair in merges:
        texts = isinstance(pair, tuple) and all(isinstance(part, str) for part in pair)
        if not texts or len(pair) != 2:
            return f"{shown(pair)} is no pair to merge"
        for token in (*pair, "".join(pair)):
            if token not in vocabulary:
                return f"no token {shown(token)}, which the merges need"
    return ""
