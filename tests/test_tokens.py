"""Token ids equal CLIPTokenizer's, and the end token is found where it is."""

import functools

import jax
import jax.numpy as jnp
import pytest
from toy import toy_folder

from apt_jax.clip.checkpoint import TINY
from apt_jax.clip.tokens import Tokenizer
from apt_jax.errors import UserError

NASTY = [
    "a photo of a cat",
    "A photo of a  CAT",
    "",
    "   ",
    "a photo of a Boeing 737-800, a type of aircraft.",
    "Black_footed_Albatross",
    "a photo of a hard-leaved pocket orchid, a type of flower.",
    "&amp; isn't \u201cquoted\u201d \u2014 caf\u00e9 na\u00efve \u00df",
    "\u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
    "\U0001f600\U0001f468\u200d\U0001f469",
    "e\u0301 composed \u1e9e \u0130stanbul",
    "tabs\tand\nnewlines\r\n",
    "they'll we've I'd don't",
    "<|endoftext|> inside <|startoftext|>",
    "x" * 400,
    "1234567890 3.14 1,000 \u00bd \u2167",
    "!?...---###",
]


def check(folder, texts):
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(str(folder))
    length = theirs.model_max_length if theirs.model_max_length < 1000 else 16
    ours = Tokenizer(folder, length)
    for text in texts:
        expected = theirs(text, truncation=True, max_length=length)["input_ids"]
        ids, eos = ours.encode([text])
        end = expected.index(expected[-1])  # a text may hold the end token itself
        assert ids[0, : end + 1].tolist() == expected[: end + 1], text
        assert eos[0] == end


def test_ids_equal_cliptokenizers_with_the_real_vocabulary(shared):
    check(shared / "clip/tokenizer", NASTY)


def test_ids_equal_cliptokenizers_with_a_small_vocabulary():
    check(toy_folder(), NASTY)


def test_two_tokenizers_of_the_same_files_are_equal_and_share_compiled_programs():
    folder, compiled = toy_folder(), []

    @functools.partial(jax.jit, static_argnums=0)
    def program(tokenizer):
        compiled.append(tokenizer)
        return jnp.zeros(())

    for tokenizer in (Tokenizer(folder, 16), Tokenizer(folder, 16)):
        program(tokenizer)
    assert len(compiled) == 1
    assert Tokenizer(folder, 16) != Tokenizer(folder, 15)
    assert Tokenizer(TINY, 16) != Tokenizer(folder, 16)


def test_goldens_of_the_real_vocabulary(shared):
    import json

    golden = json.loads((shared / "reference/goldens.json").read_text())["clip_tokens"]
    ours = Tokenizer(shared / "clip/tokenizer", 77)
    for text, expected in zip(
        golden["inputs"][:-1], golden["outputs"][:-1], strict=True
    ):
        ids, eos = ours.encode([text])
        assert ids[0, : eos[0] + 1].tolist() == expected
    assert ours.encode(["hello world"])[0][0, :4].tolist() == [49406, 3306, 1002, 49407]


def test_padding_is_the_end_token_and_the_first_one_ends_the_text():
    ours = Tokenizer(toy_folder(), 16)
    ids, eos = ours.encode(["a photo of a red.", "red"])
    assert ids.shape == (2, 16)
    end = ids[1, -1]
    assert (ids[1, eos[1] :] == end).all()
    assert (ids[1, : eos[1]] != end).all()
    assert eos[1] < eos[0]


def test_a_text_too_long_ends_with_the_end_token_and_is_called_cut():
    ours = Tokenizer(toy_folder(), 16)
    text = "red " * 14
    assert not ours.is_cut(text)
    assert ours.is_cut(text + "red")
    ids, eos = ours.encode([text + "red red red"])
    assert eos[0] == 15
    assert ids[0, 15] == ours.encode([""])[0][0, 1]


def test_missing_vocabulary_files_are_named(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(UserError, match=r"has no merges\.txt; put the tokenizer files"):
        Tokenizer(tmp_path, 77)
