"""A config file whose argument is JSON, {"key": value}, and which takes any key and any type, as a user's may."""

ANY_CHANGE = """
import json
from odtf.training.config import default_config, free

def get_config(arg=None):
    config = default_config()
    config.network = free({"name": "cifar_resnet", "depth": 8, "width": 4})
    config.data.name = "folder:/nowhere"
    for key, value in json.loads(arg or "{}").items():
        *parts, last = key.split(".")
        part = config
        for name in parts:
            part = part[name]
        with part.unlocked(), part.ignore_type():
            part[last] = value
    return config
"""
