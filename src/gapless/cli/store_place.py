"""Which store a command works on.

In: ``--store``, or the settings. Out: the store, open. Invariants: reading makes no database where there is none; no
password is ever printed. Thread: main.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Final, ParamSpec

import click
import msgspec

from gapless.cli.options import with_settings
from gapless.errors import NotFoundError
from gapless.settings import Resolved
from gapless.store.contract import Store
from gapless.store.open import Place, open_place, parse_place, place_of
from gapless.store.options import StoreOptions, store_options

P = ParamSpec("P")

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs."
)


class StorePlace(msgspec.Struct, frozen=True):
    """A store that is not open yet."""

    place: Place
    options: StoreOptions

    def need(self) -> None:
        """Refuse to make a store where there is none.

        Raises:
            NotFoundError: there is no file.
        """
        if isinstance(self.place, Path) and not self.place.exists():
            raise NotFoundError(
                f"nothing is kept in {self.place.parent} yet; start `gapless serve`, or name another folder "
                "with --data-dir"
            )

    @contextmanager
    def opened(self, *, make: bool = False) -> Iterator[Store]:
        """The store, closed in the end.

        Args:
            make: make a file where there is none.

        Raises:
            NotFoundError: there is none.
            StoreError: it cannot be opened.
        """
        if not make:
            self.need()
        store = open_place(self.place, self.options)
        try:
            yield store
        finally:
            store.close()


def with_store(
    command: Callable[Concatenate[StorePlace, P], None],
) -> Callable[..., None]:
    """Give a command ``--store``, ``--data-dir`` and ``--config``; it gets a ``StorePlace`` as its first argument.

    Put it right above the function, as ``with_settings``.
    """

    @functools.wraps(command)
    def run(resolved: Resolved, /, *args: P.args, **values: P.kwargs) -> None:
        settings, place = resolved.settings, str(values.pop("place") or "")
        where = parse_place(place) if place else place_of(settings)
        command(StorePlace(where, store_options(settings)), *args, **values)

    return click.option(
        "--store",
        "place",
        metavar="URL|FILE",
        help="The store: postgresql://user@host/database, or a SQLite file.  "
        "[default: STORE_URL of the settings, else the file in DATA_DIR]",
    )(with_settings("data_dir")(run))


def place_at(text: str, like: StorePlace) -> StorePlace:
    """Another store, opened with the same options."""
    return StorePlace(parse_place(text), like.options)
