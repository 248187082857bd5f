"""A method of one's own: `--config.method.name=pull_together.py:PullTogether --config.method.weight=0.5`."""

from keras import ops

from odtf.methods import Method
from odtf.methods.shared.peers import independent_peers, several


class PullTogether(Method):
    """Peers that follow the targets and, with some weight, the mean of all answers."""

    def __init__(self, networks, *, num_peers=2, weight=1.0, **common):
        super().__init__(**common)
        self.weight = weight
        self.peers = independent_peers(several(networks, num_peers), self.seed)

    def loss_terms(self, targets, outputs):
        answers = {name: self.answer(outputs[name]) for name in self.peers}
        mean = ops.stop_gradient(sum(answers.values()) / len(answers))
        terms = {f"{name}/supervised": self.task.supervised(targets, answer) for name, answer in answers.items()}
        pulls = {f"{name}/pull": self.weight * self.task.distil(mean, answer) for name, answer in answers.items()}
        return terms | pulls
