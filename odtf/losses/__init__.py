"""Losses: pure functions of logits, features and labels, one value per example.

Nothing is reduced and nothing is detached here: a method says which side of a term is a constant, and the base class
of the methods owns the mean over the batch. All arithmetic is float32, also when the inputs are half precision.
"""

from odtf.losses.answers import check_smoothing, check_temperature, cross_entropy, distribution, kl_divergence
from odtf.losses.features import attention_map, attention_transfer, squared_difference, unit_norm
from odtf.losses.maps import channel_kl, dice, focal, hard_pixels, pixel_cross_entropy, pixel_kl
from odtf.losses.relations import conditional_divergence, probabilistic_knowledge_transfer, supervised_contrastive

__all__ = [
    "attention_map",
    "attention_transfer",
    "channel_kl",
    "check_smoothing",
    "check_temperature",
    "conditional_divergence",
    "cross_entropy",
    "dice",
    "distribution",
    "focal",
    "hard_pixels",
    "kl_divergence",
    "pixel_cross_entropy",
    "pixel_kl",
    "probabilistic_knowledge_transfer",
    "squared_difference",
    "supervised_contrastive",
    "unit_norm",
]
