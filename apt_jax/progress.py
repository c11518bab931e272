"""Progress of long work, with rate and time left.

A bar on a terminal; elsewhere (a log file, CI) a plain line every few seconds.
Both go to standard error, so that standard output stays machine-readable.
"""

import contextlib
import contextvars
import sys
import time

from apt_jax.names import printable

SECONDS_BETWEEN_LINES = 10.0
MEGABYTE = 2**20
_shown = contextvars.ContextVar("shown", default=True)


@contextlib.contextmanager
def showing(shown: bool):
    """Whether what is done inside shows its progress."""
    token = _shown.set(shown)
    try:
        yield
    finally:
        _shown.reset(token)


@contextlib.contextmanager
def progress(total: int, what: str, unit: str = "images", *, shown: bool = True):
    """Yields `advance(n=1, **figures)` for a piece of work of `total` units.

    `figures` are shown beside the bar, numbers with four digits.
    """
    if not (shown and _shown.get()):
        yield lambda n=1, **figures: None
    elif sys.stderr and sys.stderr.isatty():
        with _bar(total, what, unit) as advance:
            yield advance
    else:
        yield _lines(total, what, unit)


@contextlib.contextmanager
def progress_of_bytes(total: int, what: str):
    """Yields `reach(done)` for a piece of work of `total` bytes, told in megabytes."""
    told = 0
    with progress(total // MEGABYTE, what, "MB") as advance:

        def reach(done):
            nonlocal told
            if (now := done // MEGABYTE) > told:
                advance(now - told)
                told = now

        yield reach


def _spell(figures) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


@contextlib.contextmanager
def _bar(total, what, unit):
    from rich import console, table
    from rich import progress as bars

    folding = table.Column(overflow="fold")  # where a name is long, figures stay
    columns = (
        bars.TextColumn("{task.description}", markup=False, table_column=folding),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}", markup=False),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[figures]}", markup=False),
    )
    with bars.Progress(*columns, console=console.Console(stderr=True)) as bar:
        task = bar.add_task(printable(what), total=total, rate="", figures="")
        start, done = time.monotonic(), 0

        def advance(n=1, **figures):
            nonlocal done
            done += n
            rate = f"{done / max(time.monotonic() - start, 1e-9):.3g} {unit}/s"
            bar.update(task, advance=n, rate=rate, figures=_spell(figures))

        yield advance


def _lines(total, what, unit):
    start = spoke = time.monotonic()
    done = 0

    def advance(n=1, **figures):
        nonlocal done, spoke
        done += n
        now = time.monotonic()
        if now - spoke < SECONDS_BETWEEN_LINES and done < total:
            return
        spoke = now
        rate = max(done, 1e-9) / max(now - start, 1e-9)
        left = (total - done) / rate
        told = f"{printable(what)}: {done}/{total}  {rate:.3g} {unit}/s"
        line = f"{told}  {left:.0f} s left"
        print(f"{line}  {_spell(figures)}".rstrip(), file=sys.stderr, flush=True)

    return advance
