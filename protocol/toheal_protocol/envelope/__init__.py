"""The envelope: content sealed once for a circle, under a key that each member gets in a wrap.

The wraps are messages of the pair sessions (`toheal_protocol.ratchet`), with the message's id as
associated data. This part makes and opens what all members share.

Spec: docs/protocol/envelope.md.
"""

from toheal_protocol.envelope.content import (
    MARK_SIZE,
    MAX_CONTENT_SIZE,
    MAX_PARENTS,
    MAX_VIEW,
    PARENT_SIZE,
    Content,
    Parent,
    decode_content,
    encode_content,
    max_body_size,
    read_audience,
)
from toheal_protocol.envelope.sealing import (
    COMMON_OVERHEAD,
    COMMON_SIZES,
    CONTENT_KEY_SIZE,
    ContentKey,
    message_id,
    open_content,
    seal_content,
)

__all__ = [
    "COMMON_OVERHEAD",
    "COMMON_SIZES",
    "CONTENT_KEY_SIZE",
    "MARK_SIZE",
    "MAX_CONTENT_SIZE",
    "MAX_PARENTS",
    "MAX_VIEW",
    "PARENT_SIZE",
    "Content",
    "ContentKey",
    "Parent",
    "decode_content",
    "encode_content",
    "max_body_size",
    "message_id",
    "open_content",
    "read_audience",
    "seal_content",
]
