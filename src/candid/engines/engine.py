"""What an engine is, and the one of this process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from candid.core.extras import require_packages
from candid.core.progress import Progress
from candid.core.threads import map_ahead
from candid.data.images import read_file
from candid.data.location import Location
from candid.errors import ImageError, ReadError, UsageError

if TYPE_CHECKING:
    from candid.data.file_reader import FileReader

LOCAL: Final = "local"
_NAME: Final = re.compile(r"local|ray|ray://[^\s/]+:\d{1,5}")

#: Why a row failed: its bytes could not be read, or not be decoded, or whatever worked on it died.
ErrorClass: TypeAlias = Literal["", "read", "decode", "worker"]
Result = TypeVar("Result")
ResultOut = TypeVar("ResultOut", covariant=True)
#: A key, and a file, a location, a file's bytes, or what else the work takes.
Item: TypeAlias = tuple[str, object]


class Work(Protocol[ResultOut]):
    """What is done with each photo. It can be pickled, and called in any thread or process."""

    def __call__(self, key: str, content: object, /) -> ResultOut:
        """Do it; files and locations arrive as their bytes.

        Raises:
            ImageError: They can't be decoded.
        """
        ...


class Row(NamedTuple, Generic[Result]):
    """What became of a photo.

    Attributes:
        key: That of the item.
        value: What the work returned; None if it failed.
        error: The class of the failure; empty if there was none.
        reason: Of the failure, in one line.
    """

    key: str
    value: Result | None
    error: ErrorClass = ""
    reason: str = ""

    @property
    def status(self) -> Literal["ok", "failed"]:
        """Whether there is a value."""
        return "failed" if self.error else "ok"


class Engine(Protocol):
    """Maps work over photos."""

    def map(
        self,
        work: Work[Result],
        items: Iterable[Item],
        *,
        reader: FileReader | None = None,
        num_ahead: int | None = None,
    ) -> Iterator[Row[Result]]:
        """Do the work for each item, with a bounded number of them in memory.

        Args:
            work: What is done.
            items: Read lazily, in the caller's thread.
            reader: Reads files whose keys are the hashes of their contents; without it, any file.
            num_ahead: Most items in the threads of this process, see `map_ahead`.

        Yields:
            One row for each item, in their order.
        """
        ...

    def release(self) -> None:
        """Give back what is held between two calls of `map`, such as cores of a cluster."""
        ...

    def num_nodes(self) -> int:
        """Number of machines that a training may run on."""
        ...


class Local:
    """The threads of this process."""

    def map(
        self,
        work: Work[Result],
        items: Iterable[Item],
        *,
        reader: FileReader | None = None,
        num_ahead: int | None = None,
    ) -> Iterator[Row[Result]]:
        """See `Engine.map`."""
        return map_ahead(partial(work_on, work, reader), items, num_ahead=num_ahead)

    def release(self) -> None:
        """Nothing is held."""

    def num_nodes(self) -> int:
        """This one."""
        return 1


def work_on(work: Work[Result], reader: FileReader | None, item: Item) -> Row[Result]:
    """Read a photo where that is needed, and do the work; failures become rows."""
    key, content = item
    try:
        return Row(key, work(key, read(content, key, reader)))
    except ReadError as error:
        return Row(key, None, "read", str(error))
    except ImageError as error:
        return Row(key, None, "decode", str(error))


def read(content: object, key: str, reader: FileReader | None) -> object:
    """The bytes of a file or a location; anything else as it is.

    Raises:
        ImageError: They can't be read; `ReadError` if they may be later.
    """
    if not isinstance(content, (Path, Location)):
        return content
    return read_file(content) if reader is None else reader.read(content, key)


def require_engine(name: str) -> None:
    """Raise `UsageError` if this is no name of an engine, `DependencyError` if it needs more."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "the engine must be local, ray, or ray://host:port of a Ray cluster. "
            f"Received: {name!r}"
        )
    if name != LOCAL:
        require_packages(["ray"], needed_by="the engine ray", extra="ray")


@contextmanager
def open_engine(name: str, progress: Progress) -> Iterator[Engine]:
    """The engine of a name; Ray is started, or joined, by the first photo that needs it.

    Args:
        name: ``local``; ``ray``, the cluster at ``RAY_ADDRESS`` or else one of this machine; or
            ``ray://host:port``.
        progress: Told that Ray starts, and at the end what was tried again.

    Raises:
        UsageError: There is no such engine.
        DependencyError: Ray is not installed.
    """
    require_engine(name)
    if name == LOCAL:
        yield Local()
        return
    from candid.engines.on_ray import Ray

    with closing(Ray(name, progress)) as engine:
        yield engine
        engine.say_what_was_tried_again()
