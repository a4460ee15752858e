"""The codes of VAT exemption reasons (BT-121): the European list with its French additions.

Source: code list VATEX of the Connecting Europe Facility, as EN 16931 refers to it. The list grows; a code that is
not in it is worth a warning and no more.
"""

from __future__ import annotations

from typing import Final


def _all(prefix: str, suffixes: str) -> frozenset[str]:
    return frozenset(f"VATEX-{prefix}-{suffix}" for suffix in suffixes.split())


VATEX: Final = (
    _all("EU", "79-C 132 143 144 146-1E 148 151 153 159 309 AE D F G I IC J O")
    | _all("EU-132", " ".join(f"1{letter}" for letter in "ABCDEFGHIJKLMNOPQ"))
    | _all("EU-143", "1A 1B 1C 1D 1E 1F 1FA 1G 1H 1I 1J 1K 1L")
    | _all("EU-135", "1 1A 1B 1C 1D 1E 1F 1G 1H 1I 1J 1K 1L")
    | _all("EU-148", "A B C D E F G")
    | _all("EU-151", "1A 1AA 1B 1C 1D 1E")
    | _all("FR", "FRANCHISE CNWVAT AE CGI261-1 CGI261-2 CGI261-3 CGI261-4 CGI261-5 CGI261-7 CGI261-8")
    | _all("FR", "CGI261A CGI261B CGI261C-1 CGI261C-2 CGI261C-3 CGI261D-1 CGI261D-1BIS CGI261D-2 CGI261D-3")
    | _all("FR", "CGI261D-4 CGI261E-1 CGI261E-2 CGI275 CGI277A CGI295 298SEXDECIESA")
)
