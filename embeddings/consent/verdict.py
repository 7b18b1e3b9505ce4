"""What a reply can mean."""

from enum import StrEnum


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
