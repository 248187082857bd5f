"""What setup.cfg cannot say: the configs, which lie beside the package, are installed as a part of it."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["odtf", "odtf.*"]), "odtf.configs"], package_dir={"odtf.configs": "configs"})
