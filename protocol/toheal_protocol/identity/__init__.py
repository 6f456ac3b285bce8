"""Who somebody is: personas, prekeys, cards, names, and the words that tell an impostor.

Spec: docs/protocol/identity.md.
"""

from toheal_protocol.identity.card import (
    CARD_SIZE,
    Card,
    card_body,
    decode_card,
    encode_card,
    make_card,
)
from toheal_protocol.identity.names import UnusableName, clean_name
from toheal_protocol.identity.persona import (
    PersonaKeys,
    PersonaSecrets,
    decode_persona,
    draw_persona,
    encode_persona,
)
from toheal_protocol.identity.prekey import (
    PREKEY_LIFE,
    PREKEY_TURNOVER,
    PrekeySecrets,
    decode_prekey,
    draw_prekey,
    encode_prekey,
)
from toheal_protocol.identity.safety import safety_positions, safety_words
from toheal_protocol.identity.words import Language, UnknownWord, find_word, fold_word

__all__ = [
    "CARD_SIZE",
    "PREKEY_LIFE",
    "PREKEY_TURNOVER",
    "Card",
    "Language",
    "PersonaKeys",
    "PersonaSecrets",
    "PrekeySecrets",
    "UnknownWord",
    "UnusableName",
    "card_body",
    "clean_name",
    "decode_card",
    "decode_persona",
    "decode_prekey",
    "draw_persona",
    "draw_prekey",
    "encode_card",
    "encode_persona",
    "encode_prekey",
    "find_word",
    "fold_word",
    "make_card",
    "safety_positions",
    "safety_words",
]
