"""How the 21 events read: a title, and the verb of a sentence about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Source: the vendor's webhook page names the events; how they read is ours. "Access" is a request for access.
_WORDS = {
    "access.created": ("Access requested", "asked for access to"),
    "comment.created": ("Comment added", "commented on"),
    "comment.updated": ("Comment updated", "edited a comment on"),
    "comment.deleted": ("Comment deleted", "deleted a comment on"),
    "page.created": ("Page created", "created"),
    "page.updated": ("Page updated", "updated"),
    "page.deleted": ("Page deleted", "deleted"),
    "page.updated.reverted": ("Page reverted", "reverted"),
    "page.updated.moved": ("Page moved", "moved"),
    "page.updated.trashed": ("Page moved to the trash", "trashed"),
    "page.updated.restored": ("Page restored", "restored"),
    "pagepermission.created": ("Page permission added", "added a permission on"),
    "pagepermission.deleted": ("Page permission removed", "removed a permission from"),
    "pagepermissions.deleted": ("Page permissions removed", "removed permissions from"),
    "pluginstate.created": ("Plugin state created", "created a plugin state in"),
    "pluginstate.updated": ("Plugin state updated", "updated a plugin state in"),
    "space.deleted": ("Space deleted", "deleted"),
    "space.imported": ("Space imported", "imported"),
    "user.updated": ("User updated", "updated the account of"),
    "user.enabled": ("User enabled", "enabled the account of"),
    "user.disabled": ("User disabled", "disabled the account of"),
}

TITLES: Mapping[str, str] = MappingProxyType({name: title for name, (title, _) in _WORDS.items()})
"""What happened, in a few words."""

VERBS: Mapping[str, str] = MappingProxyType({name: verb for name, (_, verb) in _WORDS.items()})
"""The same between who did it and what it was done to: "Ada Byrne {verb} Release checklist"."""
