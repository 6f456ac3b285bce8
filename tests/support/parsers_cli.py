"""The command line's parser of foreign bytes: one line of the local channel."""

from __future__ import annotations

from collections.abc import Callable

from toheal_p2p.cli.local_wire import encode_line
from toheal_p2p.cli.requests import parse_request

PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("request of the local channel", parse_request),
)

SEEDS: tuple[bytes, ...] = tuple(
    encode_line({"v": 1, "command": command, "args": args}).rstrip()
    for command, args in (
        ("circle_list", {}),
        ("read", {"circle": "evening", "after": 0, "follow": True}),
        ("circle_remove", {"circle": "c", "who": "w", "reason": "harm", "text": "t"}),
        (
            "circle_role",
            {"circle": "c", "who": "w", "role": "listener", "reason": "term", "text": ""},
        ),
        ("circle_second", {"circle": "c", "act": "ab"}),
        ("request", {"circle": "c", "message": "ab", "text": ""}),
        ("edit", {"circle": "c", "message": "ab", "text": "t"}),
        ("circle_disappear", {"circle": "c", "seconds": 86400}),
        ("share_answer", {"circle": "c", "share": "ab", "yes": True}),
        ("say", {"circle": "c", "text": "مرحبا", "notes": ["loss"], "to_facilitators": False}),
    )
)
