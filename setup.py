"""Build step: a wheel holds one package, luagate, with the five layers and conf/ below it.

In a checkout the layers are top-level folders. Installed as such they would share site-packages with every other
distribution's `env`, `eval` or `training`; so a wheel keeps them, conf/ and all data files in `luagate/_tree`, which
luagate/__main__.py puts on the import path. An editable install maps the checkout's folders as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

LAYERS = ("env", "eval", "gates", "runner", "training")
TREE = "luagate._tree"
FOLDERS = find_namespace_packages(
    include=[pattern for name in (*LAYERS, "conf") for pattern in (name, f"{name}.*")], exclude=["*.__pycache__"]
)


class BuildTree(build_py):
    """Build the layers below luagate/_tree, unless the install is editable."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if not self.editable_mode:
            self.packages = ["luagate", *(f"{TREE}.{folder}" for folder in FOLDERS)]
            self.package_dir = {f"{TREE}.{name}": name for name in (*LAYERS, "conf")}

    def run(self) -> None:
        # an earlier build's files would be packed too, deleted ones among them
        shutil.rmtree(Path(self.build_lib) / "luagate", ignore_errors=True)
        super().run()


setup(
    packages=["luagate", *(folder for folder in FOLDERS if folder.split(".")[0] != "conf")],
    package_data={"": ["*"]},
    exclude_package_data={"": ["*.pyc"]},
    cmdclass={"build_py": BuildTree},
)
