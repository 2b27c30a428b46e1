"""The metadata file, through the files seam of storage."""

from __future__ import annotations

from ..errors import StorageError
from ..storage.files import Files, replace_file


class MetadataFile:
    """One file that is read whole and replaced whole."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path

    def read(self) -> bytes | None:
        """Return the content, or None when there is no file. Raises StorageError."""
        try:
            return self._files.read(self._path) if self._files.exists(self._path) else None
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error}") from error

    def replace(self, data: bytes) -> None:
        """Give the file this content in one step. Raises StorageError."""
        try:
            replace_file(self._files, self._path, data)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error}") from error
