"""What commands that take a configuration have in common: help, settings, folder."""

from apt_jax import config


def asked(arguments, summary: str, name="", needed=(), example="configs/quickstart.py"):
    """The settings and the work directory of a command line; None where it asks for help.

    `summary` is what the help begins with. Without --workdir the directory is called after
    `name` and the run. `needed` and `example` are those of `config.read`.
    """
    if config.wants_help(arguments):
        print(config.help_text(summary, arguments))
        return None
    settings, workdir = config.read(arguments, needed, example)
    return settings, workdir or f"runs/{name}{config.run_name(settings)}"
