"""metrics.jsonl: a line an epoch, which a run that was killed goes on with."""

import json
import os
from pathlib import Path

from apt_jax.files import parse_json, read_text, telling, write_text

NUMBER = (int, float)
LINE = {"epoch": int, "loss": NUMBER, "accuracy": NUMBER, "seconds": NUMBER}
REMEDY = "remove the file: only the curve and the seconds of training hang on it"


class Log:
    """The lines of one file; `training.loop.EpochReport` says what is in one."""

    def __init__(self, path):
        self.path = Path(path)

    def lines(self) -> list[dict]:
        """All of them; one that a killed run left unfinished is dropped.

        Raises:
            UserError: for a line that no run wrote.
        """
        if not self.path.exists():
            return []
        whole = read_text(self.path, REMEDY).split("\n")[:-1]
        return [parse_json(line, self.path, LINE, REMEDY) for line in whole]

    def keep(self, epoch: int):
        """Drops lines after `epoch`, which a resumed run writes again."""
        kept = [line for line in self.lines() if line["epoch"] <= epoch]
        write_text(self.path, "".join(map(_line, kept)))

    def add(self, line: dict):
        with (
            telling("write", self.path),
            open(self.path, "a", encoding="utf-8") as file,
        ):
            file.write(_line(line))
            file.flush()
            os.fsync(file.fileno())


def _line(fields):
    return json.dumps(fields, allow_nan=False) + "\n"
