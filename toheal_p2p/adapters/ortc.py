"""The half of aiortc that carries data, loaded without the half that carries sound and pictures.

`import aiortc` loads PyAV and with it all of FFmpeg: 18 MB and 0.05 s of libraries that parse
formats for a living, and of which a data channel uses nothing. The modules we need ask for one name
of PyAV, in an annotation. So the package is entered here without running its `__init__`, and while
they load, a module of that one name stands where PyAV would be. It is taken away again at once:
whoever imports PyAV later gets PyAV.

Where aiortc is loaded already, as a benchmark or a test may do, it is used as it is.

Spec: docs/decisions/0037-what-is-needed-is-loaded-when-it-is-needed.md.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Final

_MEDIA: Final = "av"
_ANNOTATED: Final = "AudioFrame"
"""What `aiortc.rtp` takes from PyAV, to say what a function of no use here is given."""


def _enter_package() -> None:
    """Let `import aiortc.…` find its modules, without what `import aiortc` would load."""
    if "aiortc" not in sys.modules and (spec := find_spec("aiortc")) is not None:
        sys.modules["aiortc"] = module_from_spec(spec)


@contextmanager
def _without_media() -> Iterator[None]:
    """Stand in for PyAV, unless it is there."""
    stand_in = ModuleType(_MEDIA)
    setattr(stand_in, _ANNOTATED, object)
    found = sys.modules.setdefault(_MEDIA, stand_in)
    try:
        yield
    finally:
        if found is stand_in:
            del sys.modules[_MEDIA]


_enter_package()
with _without_media():
    importlib.import_module("aiortc.rtcdatachannel")  # the other one of the two cannot be first

from aiortc import rtcsctptransport as stock  # noqa: E402  only now
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters  # noqa: E402
from aiortc.rtcdtlstransport import (  # noqa: E402
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcicetransport import (  # noqa: E402
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport  # noqa: E402

__all__ = [
    "RTCCertificate",
    "RTCDataChannel",
    "RTCDataChannelParameters",
    "RTCDtlsFingerprint",
    "RTCDtlsParameters",
    "RTCDtlsTransport",
    "RTCIceCandidate",
    "RTCIceGatherer",
    "RTCIceParameters",
    "RTCIceTransport",
    "RTCSctpCapabilities",
    "RTCSctpTransport",
    "SRTPProtectionProfile",
    "State",
    "stock",
]
