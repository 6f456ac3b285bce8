"""What the demonstration's relay can see: sizes and times of what is left with it, nothing else.

The relay of the demonstration runs with `--show-deposits`: after its first line it prints one line
of JSON for each deposit, with everything it could ever know of it: `{"size": …, "at": …}`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from attrs import define


@define
class RelayWatch:
    """Reads what a relay has printed into a file so far."""

    output: Path

    def address(self) -> str | None:
        """Return the relay's address; None before it is ready."""
        for line in self._lines():
            if line.startswith("relay "):
                return line.split()[-1]
        return None

    def deposits(self) -> list[tuple[int, float]]:
        """Return size in bytes and seconds since the start of every deposit."""
        seen = [json.loads(line) for line in self._lines() if line.startswith("{")]
        return [(int(one["size"]), float(one["at"])) for one in seen]

    def summary(self) -> list[str]:
        """Show what it knows: how many of each size, and when the first and the last came."""
        deposits = self.deposits()
        sizes = Counter(size for size, _ in deposits)
        shown = [f"{size:>6} B  ×{number}" for size, number in sorted(sizes.items())]
        if deposits:
            shown.append(f"{deposits[0][1]:.2f} s – {deposits[-1][1]:.2f} s")
        return shown

    def _lines(self) -> list[str]:
        text = self.output.read_text(encoding="utf-8") if self.output.exists() else ""
        return text.split("\n")[:-1]  # the last line may be half written
