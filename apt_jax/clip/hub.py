"""A checkpoint's files from the Hugging Face hub, or from its cache without a network.

Some released checkpoints (OpenAI's ViT-B among them) have their weights as a pickle on
the main branch and as safetensors only in a pull request that the hub's own conversion
bot opened. Pickles are never read: such a pull request is used instead, by its commit.
"""

from pathlib import Path

from apt_jax.clip import foreign
from apt_jax.errors import UserError

# Checkpoints that are fetched at one commit unless another revision is asked for. For all
# others, the commit that was fetched is recorded in the run's config.json.
PINNED = {"openai/clip-vit-large-patch14": "32bd64288804d66eefd0ccbe215aa642df71cc41"}

CONVERSION_BOT = "SFconvertbot"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
WANTED = (
    "config.json",
    "preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "processor_config.json",
    "tokenizer.json",
)


def snapshot(name: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder with the files of checkpoint `name`, and its commit.

    The cache is asked first, so that what was fetched once works offline.

    Raises:
        UserError: if it is neither cached nor to be downloaded; says which files to put
            where.
    """
    revision = revision or PINNED.get(name)
    if found := cached(name, revision):
        return found
    try:
        return fetched(name, revision)
    except UserError:
        raise
    except Exception as error:  # the network's and the hub's errors share no base class
        reason = str(error).strip().split("\n")[0]
    raise UserError(
        f"{name} is not in the cache and could not be downloaded ({reason}); with a "
        f"network, try again; without one, put {', '.join(WANTED[:4])} and "
        f"{WEIGHTS[0]} of {name} into a folder (a plain ViT has no {WANTED[2]} and "
        f"{WANTED[3]}) and pass `clip`=FOLDER"
    )


def cached(name: str, revision: str | None) -> tuple[Path, str] | None:
    """A complete snapshot in the hub's cache; of several, the newest."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except (CacheNotFound, OSError):
        return None
    complete = [
        snapshot
        for repository in repositories
        if repository.repo_id == name and repository.repo_type == "model"
        for snapshot in repository.revisions
        if {file.file_name for file in snapshot.files} & set(WEIGHTS)
        and revision in (None, snapshot.commit_hash, *snapshot.refs)
    ]
    if not complete:
        return None
    newest = max(complete, key=lambda snapshot: snapshot.last_modified)
    return newest.snapshot_path, newest.commit_hash


def fetched(name: str, revision: str | None) -> tuple[Path, str]:
    """The snapshot after a download."""
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(name, revision=revision)
    names = {file.rfilename for file in info.siblings}
    if not names & set(WEIGHTS):
        info = HfApi().model_info(name, revision=conversion(name, names))
    folder = snapshot_download(name, revision=info.sha, allow_patterns=list(WANTED))
    return Path(folder), info.sha


def conversion(name: str, names: set[str]) -> str:
    """The revision of the conversion bot's pull request with safetensors.

    Raises:
        UserError: if there is none, saying what the files `names` are instead.
    """
    from huggingface_hub import HfApi

    for discussion in HfApi().get_repo_discussions(name):
        if discussion.is_pull_request and discussion.author == CONVERSION_BOT:
            return discussion.git_reference
    raise UserError(
        foreign.in_folder(Path(name), names)
        or f"{name} has no {WEIGHTS[0]} on the hub, and apt_jax reads no pickles; convert "
        "it with transformers' save_pretrained and pass `clip`=FOLDER"
    )
