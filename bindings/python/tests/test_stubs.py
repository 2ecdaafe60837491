"""What editors show of the package is what Python's help shows."""

import ast
import inspect
from pathlib import Path

import lrnnet


def documented() -> dict[str, str]:
    """The docstrings of the stubs, by the path of the name."""
    tree = ast.parse(Path(lrnnet.__file__).with_suffix(".pyi").read_text())
    found = {}

    def walk(body: list[ast.stmt], path: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if text := ast.get_docstring(node):
                    found[path + node.name] = text
                walk(node.body if isinstance(node, ast.ClassDef) else [], f"{path}{node.name}.")

    walk(tree.body, "")
    return found


def test_docstrings_are_those_of_the_stubs():
    stubs = documented()
    assert {"Segmenter", "Segmenter.segment", "export", "read_picture", "ModelError"} <= set(stubs)
    for path, text in stubs.items():
        thing = lrnnet
        for name in path.split("."):
            thing = getattr(thing, name)
        assert inspect.getdoc(thing) == text, path


def test_every_public_name_is_documented():
    stubs = documented()
    for name in lrnnet.__all__:
        assert name in stubs or name == "__version__", name
        for member in vars(getattr(lrnnet, name)) if inspect.isclass(getattr(lrnnet, name)) else []:
            assert member.startswith("_") or f"{name}.{member}" in stubs, f"{name}.{member}"
