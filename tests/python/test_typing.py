# SPDX-License-Identifier: Apache-2.0
"""The installed package and a user's file, before mypy --strict and pyright."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fastqueue

HERE = Path(__file__).resolve().parent
PACKAGE = Path(fastqueue.__file__).resolve().parent


def run(*words: str | Path, cwd: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_strict_passes_on_the_package(tmp_path: Path) -> None:
    run("mypy", "--strict", "--python-version", "3.11", "--cache-dir", tmp_path, "-p", "fastqueue", cwd=tmp_path)


def test_mypy_strict_passes_on_a_users_file(tmp_path: Path) -> None:
    run("mypy", "--strict", "--warn-unused-ignores", "--cache-dir", tmp_path, HERE / "typing_sample.py", cwd=tmp_path)


def pyright(folder: Path, files: list[str], mode: str) -> None:
    config = {
        "include": files,
        "typeCheckingMode": mode,
        "pythonVersion": "3.11",
        "reportMissingModuleSource": False,
        "reportUnnecessaryTypeIgnoreComment": False,
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    run("pyright", "-p", folder, cwd=folder)


def test_pyright_passes_on_the_package(tmp_path: Path) -> None:
    (tmp_path / "fastqueue").symlink_to(PACKAGE)
    pyright(tmp_path, ["fastqueue"], "standard")


def test_pyright_strict_passes_on_a_users_file(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text((HERE / "typing_sample.py").read_text())
    pyright(tmp_path, ["sample.py"], "strict")


def test_the_stubs_name_what_the_extension_has() -> None:
    import ast

    from fastqueue import _core

    tree = ast.parse((PACKAGE / "_core.pyi").read_text())
    stubbed = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))} - {"RunnerConfig"}
    stubbed |= {
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert stubbed == {name for name in dir(_core) if not name.startswith("__")}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name != "RunnerConfig":
            members = {
                member.name
                for member in node.body
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("__")
            }
            present = {name for name in vars(getattr(_core, node.name)) if not name.startswith(("__", "cr_"))}
            assert members == present, node.name
