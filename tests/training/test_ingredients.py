"""Ingredients of fast training by name: complete configs that are right, alone and together."""

import pytest

from odtf.errors import UserError
from odtf.training import config_checks
from odtf.training.config import load_config, to_json
from odtf.training.ingredients import INGREDIENTS, add
from tests.programs import recipes


def config_of(recipe, more=""):
    return load_config("configs/recipe.py", f"recipe={recipe}{more}")


@pytest.mark.parametrize("recipe", recipes.ROWS)
def test_rows_are_right_and_of_as_many_steps(recipe):
    plain, config = config_of("none"), config_of(recipe)
    config_checks.check(config)
    assert config.epochs / config.batch_size == plain.epochs / plain.batch_size
    assert (to_json(config) == to_json(plain)) == (recipe == "none")


def test_sizes_and_crops_are_those_of_the_images():
    config = config_of("sizes+reflect+batch_half")
    assert config.recipe.sizes == ((0, 12, 12), (15, 16, 16))
    assert (config.data.augment.pad, config.data.augment.pad_mode) == (1, "reflect")
    assert (config.batch_size, config.epochs, config.schedule.learning_rate) == (32, 30, 0.05)
    config = config_of("reflect", ",size=32")
    assert config.data.augment.pad == 2


def test_one_cycle_is_of_the_length_of_the_run():
    config = config_of("batch_twice+one_cycle")
    assert (config.epochs, config.schedule.warmup_epochs) == (120, pytest.approx(27.6))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emma", r"recipe must be one of ema, lookahead, .*Received: 'emma'"),
        ("ema+lookahead", "A recipe has ema or lookahead"),
    ],
)
def test_what_is_no_recipe_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        add(config_of("none"), text)


def test_all_are_measured():
    assert set(INGREDIENTS) <= set(recipes.ROWS)
