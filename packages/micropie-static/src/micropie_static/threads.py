"""Blocking calls off the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Return `function(*args)`, called in a thread; it has ended when this has, cancelled or not.

    The caller may so close a file afterwards: nobody reads from it any more, and the number of
    its descriptor can't be another file's by then.
    """
    job = asyncio.get_running_loop().run_in_executor(None, function, *args)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait({job})
        if not job.cancelled():
            job.exception()  # fetched, so that nobody logs it as lost
        raise
