"""Numbers as people write them, in whatever country, and as they are shown to them."""

from __future__ import annotations

import math
import re

from models_backend.contract.words import written


def shown(value: float | int | None) -> str:
    """ "30,000", "1e-4", ".9995", "0.02"; at most six significant digits of a fraction."""
    if value is None or isinstance(value, bool):
        return ""
    return written(value)


_SIGNS = str.maketrans("−－＋٫٬’ʼ\u00a0\u202f\u2009\u2007", "--+.,''    ")
_NUMBER = re.compile(r"([+-]?)([\d.,' _]*\d|\d[\d.,' _]*)(e[+-]?\d+)?", re.IGNORECASE)
_GROUPED = {mark: re.compile(rf"\d{{1,3}}({re.escape(mark)}\d{{3}})+") for mark in ".,' _"}
_LAKHS = re.compile(r"\d{1,2}(,\d{2})*,\d{3}")


def parsed(text: str, whole: bool) -> int | float | str | None:
    """The number that a person wrote, in whatever country; the text itself where it is none, None where it is empty.

    Of a comma and a dot the last is the decimal mark. One comma between thousands ("30,000") groups, any other is a decimal
    mark ("1,5", "0,002"); one dot is a decimal mark, but groups in a field of whole numbers ("30.000")."""
    plain = text.translate(_SIGNS).strip()
    if not plain:
        return None
    try:
        value = float(_with_a_dot(plain, whole))
    except ValueError:
        return text
    if whole:
        return int(value) if math.isfinite(value) and value.is_integer() else (value if math.isfinite(value) else text)
    return value


def _with_a_dot(plain: str, whole: bool) -> str:
    """The number as ``float`` reads it. ValueError where its marks cannot be understood."""
    found = _NUMBER.fullmatch(plain)
    if found is None:
        if any(character.isdigit() for character in plain):
            raise ValueError(plain)
        return plain  # "inf" and "nan"
    sign, digits, exponent = found[1], found[2], found[3] or ""
    mark = _decimal_mark(digits, whole)
    before, _, after = digits.rpartition(mark) if mark else (digits, "", "")
    return f"{sign}{_ungrouped(before)}.{_only_digits(after)}{exponent}"


def _decimal_mark(digits: str, whole: bool) -> str:
    """ "," or "." where one of them begins the fraction, else ""."""
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        return max(".,", key=digits.rfind)
    if dots + commas != 1:
        return ""
    mark = "." if dots else ","
    groups = _GROUPED[mark].fullmatch(digits) and not digits.startswith("0")
    return "" if groups and (mark == "," or whole) else mark


def _ungrouped(digits: str) -> str:
    """Digits without the marks between thousands, which must stand where they belong. ValueError."""
    marks = {character for character in digits if not character.isdigit()}
    if not marks:
        return digits
    mark = marks.pop()
    if marks or digits.startswith("0") or not (_GROUPED[mark].fullmatch(digits) or _LAKHS.fullmatch(digits)):
        raise ValueError(digits)
    return digits.replace(mark, "")


def _only_digits(fraction: str) -> str:
    if fraction and not fraction.isdigit():
        raise ValueError(fraction)
    return fraction


def listed(text: str, whole: bool) -> list[str]:
    """The numbers of a list as they were written: semicolons divide where there are any, else commas; those without a space
    behind them do not where others have one and fractions may stand: "0,9, 0,95" falls into two."""
    fractions = not whole and ", " in text and re.search(r"\d,\d", text)
    mark = ";" if ";" in text else ", " if fractions else ","
    return [part.strip() for part in text.split(mark) if part.strip()]
