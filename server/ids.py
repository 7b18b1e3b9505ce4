"""Opaque, sortable, prefixed ids: TypeIDs (a UUIDv7 in base32), such as `inc_01jd…`."""

from typeid import TypeID


def new_id(prefix: str) -> str:
    return str(TypeID(prefix))
