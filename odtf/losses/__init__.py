"""Losses: pure functions of logits, features and labels, one value per example.

Nothing is reduced and nothing is detached here: a method says which side of a term is a constant, and the base class
of the methods owns the mean over the batch. All arithmetic is float32, also when the inputs are half precision.
"""

from odtf.losses.adversarial import hinge_fake, hinge_generator, hinge_real, least_squares
from odtf.losses.answers import check_smoothing, check_temperature, cross_entropy, distribution, kl_divergence
from odtf.losses.divergences import dist, dkd, standardized_kl
from odtf.losses.features import attention_map, attention_transfer, squared_difference, unit_norm
from odtf.losses.images import (
    absolute_difference,
    channel_distillation,
    cycle_consistency,
    identity_mapping,
    structural_similarity,
    total_variation,
)
from odtf.losses.maps import channel_kl, dice, focal, hard_pixels, pixel_cross_entropy, pixel_kl
from odtf.losses.perceptual import feature_difference, fitted_weights, gram, mean_terms, style_difference
from odtf.losses.relations import conditional_divergence, probabilistic_knowledge_transfer, supervised_contrastive

__all__ = [
    "absolute_difference",
    "attention_map",
    "attention_transfer",
    "channel_distillation",
    "channel_kl",
    "check_smoothing",
    "check_temperature",
    "conditional_divergence",
    "cross_entropy",
    "cycle_consistency",
    "dice",
    "dist",
    "distribution",
    "dkd",
    "feature_difference",
    "fitted_weights",
    "focal",
    "gram",
    "hard_pixels",
    "hinge_fake",
    "hinge_generator",
    "hinge_real",
    "identity_mapping",
    "kl_divergence",
    "least_squares",
    "mean_terms",
    "pixel_cross_entropy",
    "pixel_kl",
    "probabilistic_knowledge_transfer",
    "squared_difference",
    "standardized_kl",
    "structural_similarity",
    "style_difference",
    "supervised_contrastive",
    "total_variation",
    "unit_norm",
]
