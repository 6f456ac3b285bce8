"""What a person of the benchmarks can be asked about files."""

from __future__ import annotations

import time
from typing import Any

from toheal_p2p.app.application import Application

Answer = dict[str, Any]
"""What a line of JSON says. `Any`, because JSON says no more."""


class FileVerbs:
    """Part of `benchmarks.people.Driver`."""

    app: Application

    async def attach(self, circle: str, path: str) -> Answer:
        """Clean, seal and announce a file; answer the seconds each part took."""
        files, began, cleaning = self.app.files, time.monotonic(), 0.0
        clean, used = files.clean, time.process_time()

        async def timed(content: bytes) -> Any:
            nonlocal cleaning
            started = time.monotonic()
            cleaned = await clean(content)
            cleaning = time.monotonic() - started
            return cleaned

        files.clean = timed
        message = await files.attach(circle, path, about="", notes=(), report=_tell_nobody)
        took = time.monotonic() - began - cleaning
        cpu = time.process_time() - used
        return {"id": message, "cleaning": cleaning, "took": took, "cpu": cpu}

    async def fetch(self, circle: str, message: str) -> Answer:
        """Fetch a file; answer the seconds it took, and how much CPU."""
        began, used = time.monotonic(), time.process_time()
        fetched = await self.app.files.fetch(circle, message, report=_tell_nobody)
        cpu = time.process_time() - used
        return {"took": time.monotonic() - began, "cpu": cpu, "size": fetched.size}

    async def readable_file(self, circle: str, message: str) -> Answer:
        """Answer when a message with a file is here."""
        async for entry in self.app.follow(circle, after=0):
            if entry.id == message:
                break
        return {}

    async def cpu(self) -> Answer:
        return {"cpu": time.process_time()}


async def _tell_nobody(_progress: object) -> None:
    """Take what is reported."""
