"""Files that other packages carry in their wheels, found without importing those packages.

In: the names of a package and of files in it. Out: a path. Invariants: nothing is imported, so neither the package's
start-up time nor what else it needs is paid for one of its files. Thread: any.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from gapless.errors import MissingDependencyError


def find_carried(package: str, *names: str, install: str) -> Path:
    """The first of the named files that the installed package carries.

    Args:
        package: a top-level package.
        names: file paths inside it, in order of preference.
        install: what to give to ``pip install`` if there is none.

    Raises:
        MissingDependencyError: the package is not installed, or carries none of the files.
    """
    spec = find_spec(package)
    if spec is None:
        raise MissingDependencyError(
            f"the package {package} is not installed; run `pip install '{install}'`"
        )
    for folder in spec.submodule_search_locations or ():
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                return path
    raise MissingDependencyError(
        f"the package {package} carries no {' or '.join(names)}; "
        f"run `pip install --force-reinstall '{install}'`"
    )
