"""SECURITY.md: a test stands behind each of its points."""

import ast
import re

from tests.processes import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def test_behind_each_point_stands_a_test():
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    points = [point for name in ("Trusted", "Not trusted") for point in sections[name].split("\n- ")[1:]]
    assert len(points) == 14
    for point in points:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", point)
        assert named, point
        for path, name in named:
            functions = [n.name for n in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))) if hasattr(n, "name")]
            assert name in functions if name else any(f.startswith("test_") for f in functions), (path, name)
