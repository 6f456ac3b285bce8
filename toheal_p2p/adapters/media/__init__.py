"""Taking out of pictures and voice notes whatever says who, where and when.

`clean_file` is what the application calls. The work is done in a process of its own, which holds no
key, opens no file and has little memory: what a picture hides may break the library that reads it.

Spec: docs/protocol/attachments.md, section 7.
"""

from toheal_p2p.adapters.media.cleaning import clean_file as clean_file
