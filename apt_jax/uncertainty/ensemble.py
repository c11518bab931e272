"""Seed ensembles: several trainings of one method on the same shots, judged as one.

Lakshminarayanan et al. 2017, arXiv:1612.01474. With p_m the prediction of member m,
m = 1..M, which is itself a mean over T Monte-Carlo samples if the method has dropout:

    mean      p = (1/M) sum_m p_m                     probabilities, not logits
    expected entropy  (1/M) sum_m E_m                 E_m the expected entropy of member m

so mutual information is what members (and their samples) disagree on. Kept are running
sums, as for samples. Members differ in all that is random: initialisation, order and
views of the images, dropout. The first is the run that a single one would be.
"""

import jax
import jax.numpy as jnp

from apt_jax.uncertainty.softmax import Prediction


def mean_over_members(predict, params, keys=None) -> Prediction:
    """The mean of the members' predictions, one member at a time.

    Args:
        predict: `predict(params, key)` gives the `Prediction` of one member.
        params: of all members, with a leading axis; any pytree.
        keys: [M], or None for predictions without chance.
    """

    def one_member(sums, member):
        of_member = predict(*member)
        return Prediction(
            jnp.logaddexp(sums.log_probs, of_member.log_probs),
            sums.logits + of_member.logits,
            sums.expected_entropy + of_member.expected_entropy,
        ), ()

    members = jax.tree.leaves(params)[0].shape[0]
    like = jax.eval_shape(lambda members: predict(*_first(members)), (params, keys))
    empty = Prediction(
        jnp.full(like.log_probs.shape, -jnp.inf),
        jnp.zeros(like.logits.shape),
        jnp.zeros(like.expected_entropy.shape),
    )
    sums, _ = jax.lax.scan(one_member, empty, (params, keys))
    return Prediction(
        sums.log_probs - jnp.log(members),
        sums.logits / members,
        sums.expected_entropy / members,
    )


def _first(members):
    return jax.tree.map(lambda array: array[0], members)
