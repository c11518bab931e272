"""A small vocabulary in CLIP's format, learned from captions.

The format: the 256 bytes as printable symbols, the same with the end-of-word mark, one
token a merge, and the two special tokens last.
"""

import json
from pathlib import Path

from apt_jax.clip.tokens import END, END_OF_WORD, START

MERGES = 700


def learn_bpe(texts: list[str], folder: Path) -> int:
    """Writes `vocab.json` and `merges.txt` into `folder`; returns the size."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    words = Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + MERGES,
        initial_alphabet=alphabet,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
    )
    bpe.train_from_iterator((text.lower() for text in texts), trainer)
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    tokens = [
        *alphabet,
        *(symbol + END_OF_WORD for symbol in alphabet),
        *dict.fromkeys("".join(pair) for pair in merges),
        START,
        END,
    ]
    vocab = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "vocab.json").write_text(
        json.dumps(vocab, ensure_ascii=False), encoding="utf-8"
    )
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(vocab)
