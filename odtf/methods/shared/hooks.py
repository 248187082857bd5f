"""What a method may define of itself, with what holds where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.methods.shared.signatures import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import keras

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.players import Player
    from odtf.methods.shared.signatures import Outputs, Spans, Taps, Terms


class Hooks(Part):
    """The part of `odtf.methods.Method` that a subclass overrides."""

    # The loss, and who learns -----------------------------------------------------------------------------------------

    def call_teacher(self, outputs: Outputs, training: bool) -> Taps | None:
        """Returns the teacher's taps (at least its answer) from the peers' outputs, or None if there is no teacher.

        Args:
            outputs: dict from a peer's name to its dict of taps.
            training: bool.
        """
        return None

    def ensemble_network(self) -> keras.Model | None:
        """Returns the teacher that is built from the peers as one network that can be deployed, or None.

        It shares the weights of the peers and renames layers of theirs: a cohort that has been asked for it trains no
        more.
        """
        return None

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        """Returns the named terms of the loss, each a float32 tensor `[batch]`; the loss is the sum of their means.

        Args:
            targets: targets of the batch, as the task has them: integer labels `[batch]` in classification.
            outputs: what `call` returned: a dict from the name of each peer, and "teacher", to its dict of taps.
        """
        raise NotImplementedError

    def players(self) -> list[Player]:
        """Returns a list of `Player`: the variables with an objective, an optimizer or a weight decay of their own.

        What is in none of them is trained by the optimizer of `compile`, for all terms that no player names.
        """
        return []

    def after_step(self, targets: Targets, outputs: Outputs) -> None:
        """Runs after the optimizers, inside the step and on every replica: moving averages belong here.

        Args:
            targets: targets of the batch.
            outputs: what `call` returned.
        """

    def waiting(self) -> list[keras.Variable]:
        """Returns a list of the trainable variables that wait in this phase: they get no gradient, and stay as are."""
        return []

    # The course of training -------------------------------------------------------------------------------------------

    def phase_at(self, epoch: int) -> int:
        """Returns the phase of training that an epoch belongs to, a pure function of its 0-based number.

        A method that trains in stages reads `self.phase` wherever the stages differ (which variables are trainable,
        which terms there are); the step is traced anew for every phase.
        """
        return 0

    def before_training(self, batch: Callable[[int], tuple[Tensor, Targets]]) -> None:
        """Runs once before the first step of a run, in odtf's loop: what a method fits to the data.

        What it changes must be variables of the model, so that checkpoints hold it.

        Args:
            batch: callable from the number of a step, from 0, to its images and targets.
        """

    def enter_phase(self, phase: int) -> None:
        """Runs once when training crosses into a phase, outside the step; not when a run resumes within it.

        What it changes must be variables of the model, so that checkpoints hold it.
        """

    @property
    def students(self) -> tuple[str, ...]:
        """Names of the peers that the student is chosen from; all of them, where none is there only to teach."""
        return tuple(self.peers)

    @property
    def selection(self) -> str:
        """The metric that validation chooses by: "NAME/metric" among the values of a split."""
        return self.task.choice

    def extra_values(self, split: str, examples: Callable[[str], Any]) -> dict[str, float]:
        """Returns what else there is to say of a split: "NAME/metric" -> float.

        It is logged with the metrics; what belongs to a peer or the teacher stands in report.json beside them.

        Args:
            split: "validation" or "test".
            examples: callable from the name of any split to a finite dataset of (images, targets, weights), in order
                and not augmented; see `collect`.
        """
        return {}

    @property
    def frozen(self) -> dict[str, keras.Model]:
        """Networks that stay as they are in all of training, as a trained teacher: a dict from their names in outputs.

        What they say of a split is measured once; an evaluation of the others is made of the peers alone, without them.
        """
        return {}

    def frozen_values(self, split: str, examples: Callable[[str], Any]) -> dict[str, float]:
        """Returns as `extra_values` does what there is to say of those that are frozen; asked once for a split."""
        return {}

    def held_out_sums(self, targets: Targets, outputs: Outputs, weights: Tensor) -> dict[str, Tensor]:
        """Returns further sums over held-out examples, name -> scalar; `evaluate` makes means of them.

        Args:
            targets: targets of the batch.
            outputs: what `call` returned for inference.
            weights: float32 tensor `[batch]`: 0 for padding, else 1.
        """
        return {}

    def after_validation(self, values: Mapping[str, float]) -> None:
        """Runs after each validation with its means, outside the step: what a method learns from held-out data.

        Args:
            values: dict of floats, those of `held_out_sums` among them.
        """

    def complete(self, outputs: Outputs, training: bool) -> Outputs:
        """Returns what `call` returned with what there is for the losses alone, beside the taps of the networks.

        `call` does so in training; in inference it is asked for where the loss of held-out examples is wanted.

        Args:
            outputs: dict from the name of each peer, and "teacher", to its dict of taps.
            training: bool.
        """
        return outputs

    def with_targets(self, outputs: Outputs, targets: Targets, training: bool) -> Outputs:
        """Returns outputs with what there is for the losses alone that needs the targets: what networks make of them.

        A step asks for it after the forward pass, under the same tape.

        Args:
            outputs: what `call` or `complete` returned.
            targets: targets of the batch.
            training: bool.
        """
        return outputs

    # What a comparison asks -----------------------------------------------------------------------------------------

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        """Returns in which epochs of a run each of its networks learns: a dict from its name to (first, end).

        A pure function of the config, so that the same network alone can be given the same epochs. Networks that do not
        learn themselves (averages of others, or made of several) are not in it.

        Args:
            options: dict, `config.method` without its name.
            networks: dict from the name of every peer to its specification; a list of them where it is made of several.
            epochs: int, how many the whole run has.
        """
        return {name: (0, epochs) for name, network in networks.items() if not isinstance(network, list)}

    @classmethod
    def rate_of(cls, options: Mapping[str, Any], name: str, rate: float) -> float:
        """Returns the learning rate of a network, where that of the run is `rate`; see `epochs_of`."""
        return rate

    def schedule_epochs(self, epochs: int) -> int:
        """Returns over how many epochs the learning rate of a run of so many goes, where the method has its own time.

        Args:
            epochs: int, how many the run has.
        """
        return epochs
