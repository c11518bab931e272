"""Fills a grid: methods x shots x seeds x data sets.

    python -m apt_jax grid --config configs/studies/few_shot.py --workdir DIR
        [--config.methods=apt,coop] [--config.shots=1,4] [--config.seeds=1,2]
        [--config.datasets=...] [--config.FIELD=VALUE]
    python -m apt_jax grid --config configs/studies/own.py --config.data.root=PHOTOS
        --workdir DIR

The same command again goes on where it was stopped; a finished cell is never run again.
DIR gets grid.md, grid.csv, figures and a file a cell. --help with a --config lists the
fields.
"""

from apt_jax import config, usage


def main(arguments: list[str]):
    if config.wants_help(arguments):
        print(help_text(arguments))
        return
    from apt_jax.grid import study  # heavy: methods

    settings, workdir = study.read(arguments)
    from apt_jax.grid import work  # heavier

    work.run(settings, workdir, arguments)


def help_text(arguments):
    """The summary, and the fields of a study that is named."""
    given = [part for part in arguments if part not in config.HELP]
    named = config.take_apart(given, ("config", "workdir"))
    if "config" not in named.named:
        return __doc__.strip()
    from apt_jax.grid import sets, study

    settings = study.load(named.named["config"], named.fields)
    values = config.flat(settings)
    if sets.is_one_set(settings):
        del values["datasets"]  # nobody chooses among one
    fields = usage.listed(study.fields_of(settings), values)
    return f"{__doc__.strip()}\n\n{fields}"
