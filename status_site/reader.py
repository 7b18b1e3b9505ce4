"""Who reads a page: their language, and how it writes times, numbers, lists and durations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, get_timezone_location
from babel.lists import format_list
from babel.numbers import format_percent
from babel.units import format_unit
from markupsafe import Markup

from server import texts
from server.models import Translations


@dataclass(frozen=True)
class Words:
    """What an operator wrote, in the reader's language if there is a translation."""

    text: str
    lang: str | None
    """The language it is in, where that is not the reader's."""

    def __str__(self) -> str:
        return self.text

    @property
    def attribute(self) -> Markup:
        """`lang="…"`, for the element around the words."""
        return Markup(' lang="{}" dir="auto"').format(self.lang) if self.lang else Markup("")


@dataclass(frozen=True)
class Reader:
    language: str
    base: str
    """Where the tenant's pages begin on this host: `/s/acme`, or nothing on a host of its own."""
    original: str = texts.ENGLISH
    """The language in which the tenant writes."""
    chose: bool = False
    """The reader chose the language: links keep it."""
    zone: str = "UTC"
    """The tenant's time zone: without a script times are in it, with UTC beside."""

    @property
    def locale(self) -> Locale:
        return texts.locale(self.language)

    @property
    def direction(self) -> str:
        return self.locale.text_direction

    def text(self, key: str, **values: Any) -> str:
        return texts.text(f"page.{key}", self.language, **values)

    def link(self, path: str = "") -> str:
        """The address of one of the tenant's pages, in the language the reader chose."""
        address, mark, fragment = path.partition("#")
        chosen = f"{'&' if '?' in address else '?'}lang={self.language}" if self.chose else ""
        return f"{self.base}{address}{chosen}{mark}{fragment}" or "/"

    def state(self, state: StrEnum | None) -> str:
        return self.text(f"state.{state or 'unknown'}")

    def said(self, original: str, translations: Mapping[str, str]) -> Words:
        """The words in the reader's language, else as they were written and marked so."""
        for tag in (self.language, self.language.split("-")[0]):
            if tag in translations:
                return Words(translations[tag], None)
        same = self.original.split("-")[0] == self.language.split("-")[0]
        return Words(original, None if same else self.original)

    def title(self, titled: Any) -> Words:
        translations: Translations = titled.title_translations
        return self.said(titled.title, translations)

    # -------------------------------------------------------------------------------------- times and numbers

    def time(self, moment: datetime, *, year: bool = False) -> Markup:
        """A time in the tenant's zone and in UTC, which a script may turn into the reader's own zone."""
        utc, local = moment.astimezone(UTC), moment.astimezone(ZoneInfo(self.zone))
        day = format_date(local.date(), "long", locale=self.locale) if year else self.day(local.date())
        clock = f"{utc:%H:%M} UTC"
        if local.utcoffset():
            clock = f"{local:%H:%M} {texts.zone(local, self.language)} ({clock})"
        stamp = utc.isoformat(timespec="seconds").replace("+00:00", "Z")
        shape = "long" if year else "short"
        pattern = str(self.locale.datetime_formats["medium"]).replace("{1}", "{day}").replace("{0}", "{clock}")
        shown = Markup(pattern).format(  # noqa: S704 - the pattern is Babel's
            day=day, clock=Markup('<span dir="ltr">{}</span>').format(clock)
        )
        return Markup('<time datetime="{}" data-shape="{}">{}</time>').format(stamp, shape, shown)

    @property
    def zone_name(self) -> str:
        """The zones that times are written in, as the footer lets the reader choose them."""
        if self.zone == "UTC":
            return "UTC"
        return f"{get_timezone_location(ZoneInfo(self.zone), locale=self.locale)} (UTC)"

    @property
    def zone_note(self) -> str:
        if self.zone == "UTC":
            return self.text("footer.utc")
        return self.text("footer.zones", zone=get_timezone_location(ZoneInfo(self.zone), locale=self.locale))

    def day(self, day: date) -> str:
        return str(format_skeleton("MMMd", day, locale=self.locale))

    def weekday(self, day: date) -> str:
        return str(format_skeleton("yMMMEd", day, locale=self.locale))

    def month(self, day: date) -> str:
        return str(format_skeleton("yMMMM", day, locale=self.locale))

    def percent(self, share: float) -> str:
        """To two places, three from 99.99 % on; never rounded up: a page that was down for a minute says so."""
        places = 100_000 if share > 0.9999 else 10_000
        floored = int(share * places) / places
        return str(format_percent(floored, locale=self.locale, decimal_quantization=False))

    def duration(self, length: timedelta) -> str:
        """In its largest two units: `3 hours, 5 minutes`."""
        minutes = int(length.total_seconds() // 60)
        days, hours = divmod(minutes // 60, 24)
        units = [("day", days), ("hour", hours), ("minute", minutes % 60)]
        first = next((place for place, (_, count) in enumerate(units) if count), None)
        if first is None:
            return self.text("less_than_a_minute")
        shown = [self._counted(unit, count) for unit, count in units[first : first + 2] if count]
        return str(format_list(shown, style="unit", locale=self.locale))

    def days(self, count: int) -> str:
        return self._counted("day", count)

    def _counted(self, unit: str, count: int) -> str:
        return format_unit(count, f"duration-{unit}", length="long", locale=self.locale)

    def list_of(self, names: Iterable[str]) -> str:
        return str(format_list(list(names), locale=self.locale))
