"""What training gives: a method, what it chose inside the shots, its parameters."""

import dataclasses

from apt_jax.methods.base import Chosen, Method, Params
from apt_jax.methods.restricted import Restricted


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A method that was fitted, ready to predict."""

    method: Method
    chosen: Chosen  # what it selected inside the shots, by name
    params: Params  # of several members with a leading axis
    members: int = 1  # trainings of other chance, predicted as one

    def among(self, labels: tuple[int, ...] | None) -> "Fitted":
        """The same telling some classes apart only; for None all of them."""
        if labels is None:
            return self
        return dataclasses.replace(self, method=Restricted(self.method, labels))


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a fit cost."""

    seconds: float  # of this fit: its share, if several trained together
    compile_seconds: float = 0.0  # before the first epoch, of all that trained together
    bytes: int | None = None  # of the compiled epoch; None where there is none
    together: int = 1
