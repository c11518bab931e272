"""Class names that CLIP reads badly, and why.

CLIP learned from captions: it knows words. What is no word (a code, an abbreviation, words
run together) is read letter by letter, and a word that its vocabulary does not hold falls
into pieces that mean other things.
"""

import re
from collections.abc import Callable

from apt_jax.data.templates import clean_name

MANY_PIECES = 4  # of a word; rare English words have up to 3
RUN_TOGETHER = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")
MARKS = re.compile(r"[^\w\s'’()/&,-]")  # what is no letter, digit or usual punctuation


def oddities(name: str, pieces: Callable[[str], int] | None = None) -> list[str]:
    """What is odd about a class name; nothing for plain words.

    Args:
        pieces: into how many tokens a word falls, if a tokenizer is at hand.
    """
    text = clean_name(name)
    found = []
    if any(map(str.isdigit, text)):
        found.append("digits are read one by one")
    if RUN_TOGETHER.search(text):
        found.append("words run together")
    if short := ABBREVIATION.findall(text):
        found.append(f"abbreviated: {', '.join(short)}")
    if marks := sorted(set(MARKS.findall(text))):
        found.append(f"marks: {' '.join(marks)}")
    if not text.isascii():
        found.append("letters that English does not have")
    if pieces is not None:
        counts = {word: pieces(word) for word in text.split()}
        found += [
            f"{word!r} falls into {count} pieces"
            for word, count in counts.items()
            if count >= MANY_PIECES
        ]
    return found


def better(name: str, read: Callable[[str], object]) -> str:
    """The name as words; empty if `read`, as CLIP reads, does not tell it from this."""
    words = readable(name)
    return words if read(words) != read(clean_name(name)) else ""


def readable(name: str) -> str:
    """The name as words, as far as that shows: "001.Black_footed" is "black footed"."""
    text = re.sub(r"^\d+\s*[._-]\s*", "", name)
    text = RUN_TOGETHER.sub(" ", text.replace("_", " ").replace(".", " "))
    return " ".join(text.split()).lower()
