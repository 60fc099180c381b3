"""Uploads as the parser of forms makes them, of any size."""

from micropie._bodies.spool import BATCH_SIZE, Spool
from micropie._bodies.uploads import UploadFile

SIZES = [0, 100, BATCH_SIZE, BATCH_SIZE + 1, 3 * BATCH_SIZE + 7]

SMALL, LARGE = 100, 2 * BATCH_SIZE


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Uploads:
    """Makes uploads, and closes them in the end."""

    def __init__(self) -> None:
        self._made: list[UploadFile] = []

    async def __call__(
        self, size: int = SMALL, filename: str = "a.txt", **headers: str
    ) -> UploadFile:
        spool = Spool()
        file = UploadFile(filename, headers, spool)
        self._made.append(file)
        content = content_of(size)
        for start in range(0, size, 65_536):
            await spool.write(content[start : start + 65_536])
        await spool.finish()
        return file

    async def close(self) -> None:
        for file in self._made:
            await file.close()
