"""The data set that a run and its exports share."""

import pytest

from odtf.training import config_data
from odtf.training.config import default_config, from_json, to_json


@pytest.fixture
def config():
    config = default_config()
    config.data.name = "digits"
    return config


def test_one_data_set_is_opened_once_while_it_is_wanted(config):
    assert config_data.load_dataset(config) is not config_data.load_dataset(config)
    with config_data.one_data_set():
        first = config_data.load_dataset(config)
        assert config_data.load_dataset(config) is first
        with config_data.one_data_set():
            assert config_data.load_dataset(config) is first
        config.seed = 1  # Chooses the validation split.
        assert config_data.load_dataset(config) is not first
        config.seed, config.data.image_size = 0, None
        assert config_data.load_dataset(config) is first
    assert config_data.load_dataset(config) is not first


def test_the_config_that_was_read_means_the_same_data(config):
    config.data.mean, config.data.std = (0.5,), (0.25,)
    with config_data.one_data_set():
        assert config_data.load_dataset(from_json(to_json(config))) is config_data.load_dataset(config)


def test_it_is_let_go_where_something_fails(config):
    with pytest.raises(RuntimeError), config_data.one_data_set():
        first = config_data.load_dataset(config)
        raise RuntimeError
    assert config_data.load_dataset(config) is not first
