"""Class names that CLIP reads badly, and why.

CLIP learned from captions: it knows words. What is no word (a code, an abbreviation, words
run together) is read letter by letter, and a word that its vocabulary does not hold falls
into pieces that mean other things.
"""

import re
from collections.abc import Callable, Iterable

from apt_jax.data.templates import clean_name

MANY_PIECES = 4  # of a word; rare English words have up to 3
RUN_TOGETHER = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")
MARKS = re.compile(r"[^\w\s'’()/&,-]")  # what is no letter, digit or usual punctuation


def odd_names(names: Iterable[str], read: Callable[[str], list]) -> list[dict]:
    """The odd ones of class names, why, and a better one where one shows.

    `read` gives the tokens of a text; of who has no tokenizer, its words.
    """
    return [
        {"name": name, "odd": odd, "better": better(name, read)}
        for name in names
        if (odd := oddities(name, read))
    ]


def oddities(name: str, read: Callable[[str], list]) -> list[str]:
    """What is odd about a class name; nothing for plain words."""
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
    for word in dict.fromkeys(text.split()):
        if (count := len(read(word))) >= MANY_PIECES:
            found.append(f"{word!r} falls into {count} pieces")
    return found


def better(name: str, read: Callable[[str], list]) -> str:
    """The name as words; empty if `read`, as CLIP reads, does not tell it from this."""
    words = readable(name)
    return words if read(words) != read(clean_name(name)) else ""


def readable(name: str) -> str:
    """The name as words, as far as that shows: "001.Black_footed" is "black footed"."""
    text = re.sub(r"^\d+\s*[._-]\s*", "", name)
    text = RUN_TOGETHER.sub(" ", text.replace("_", " ").replace(".", " "))
    return " ".join(text.split()).lower()
