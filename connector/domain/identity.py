"""Names that every restart, and every restored copy, computes alike."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from connector.domain.invoice import Invoice, Party

SIRET = "0009"
"""Scheme of the identifier of a French establishment."""

SERVICE_CODE: Final = "8017"
"""B2Brouter's scheme for the service code of Chorus Pro (schemes.csv): those of many bodies have the same one."""


def file_reference(source: str, company: str, key: str) -> str:
    """Return our own mark on a document, stored and returned by B2Brouter as `file_reference`.

    It cannot be searched by, but after finding a document by its number it proves that we made it.
    """
    digest = hashlib.sha256(f"{source}\x1f{company}\x1f{key}".encode()).digest()
    return "erp-" + base64.b32encode(digest)[:24].decode().lower()


def is_file_reference(mark: str | None) -> bool:
    """Whether a mark on a document was made by a connector, for whichever document."""
    return re.fullmatch("erp-[a-z2-7]{24}", mark or "") is not None


def file_digest(content: bytes) -> str:
    """Return what tells a file from any other, as `Invoice.file_digest` has it."""
    return hashlib.sha256(content).hexdigest()


_FROZEN = b"sha256:"


def frozen_file(digest: str) -> bytes:
    """Return what stands for the bytes of an import in the ledger: they are in the file, and this proves which."""
    return _FROZEN + digest.encode()


def digest_of_frozen(payload: bytes | None) -> str | None:
    """Return the digest that `frozen_file` kept; None for a payload of any other kind."""
    return payload.removeprefix(_FROZEN).decode() if payload and payload.startswith(_FROZEN) else None


def xref(environment: str, account_id: str, reference: str) -> str:
    """Return the machine-readable cross-reference that is written into the ERP."""
    return f"b2brouter:{environment}:{account_id}:{reference}"


_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MARK: Final = 12
_LONGEST_NAME: Final = 100
_LIKENESS: Final = 32


def storable(text: str) -> str:
    """Return a text as every database takes it: a NUL, or half a character, becomes U+FFFD.

    ERPs have such texts, and errors of others. One of them must not keep the whole page from being stored.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def known_as(name: str) -> str:
    """Return a name of the ERP's as the ledger has it: storable, and still no other's."""
    plain = storable(name)
    if plain == name:
        return name
    return f"{plain[:_LONGEST_NAME]}#{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:_MARK]}"


def key_spellings(key: str, like: str) -> Sequence[str]:
    """Return how a document's key may be kept to which another document refers, whose own key is `like`.

    An ERP may fill its keys up with blanks to one length, as CHAR(n) does, or set them to the right; a reference need
    not have these blanks.
    """
    return tuple(dict.fromkeys((key, key.ljust(len(like)), key.rjust(len(like)))))


def references_to(key: str) -> Sequence[str]:
    """Return how a document of that key may be referred to: with its blanks, or without."""
    return tuple(dict.fromkeys((key, key.strip())))


def number_key(invoice: Invoice) -> str:
    """Return what B2Brouter counts as one number: number, series and the year of the date (API 13.1)."""
    year = invoice.issue_date.year if invoice.issue_date else ""
    return f"{year}|{invoice.series or ''}|{invoice.number or ''}"


def tax_number_spelling(number: str | None, country: str | None) -> str | None:
    """Return a tax number, or what stands in its place, in upper case, letters and digits alone, with its prefix.

    Greek numbers have the prefix EL although the country is GR; Northern Ireland has XI.
    """
    plain, prefix = re.sub(r"[^0-9A-Za-z]", "", number or "").upper(), _prefix(country)
    if not plain or not prefix or plain.startswith((prefix, "XI")):
        return plain or None
    return prefix + (plain[2:] if country and plain.startswith(country) else plain)


def tax_number_key(number: str | None, country: str | None) -> str | None:
    """Return a tax number in one spelling; None for what merely says that there is none.

    That is what has no digit (N/A), or one alone or repeated (0, Chile's 66.666.666-6). What the law of a country
    prescribes for nobody in particular is a number, which belongs on the document, but see `telling_tax_number`.
    """
    key = tax_number_spelling(number, country) or ""
    own = key.removeprefix(_prefix(country))
    repeated = own.isdigit() and len(set(own)) == 1
    return key if re.search("[0-9]", own) and not repeated else None


def telling_tax_number(number: str | None, country: str | None) -> str | None:
    """Return a tax number, as `tax_number_key`, by which a customer is told from all others; None for nobody's."""
    key = tax_number_key(number, country)
    return None if key is None or {key, key.removeprefix(_prefix(country))} & _NOBODYS else key


def without_prefix(key: str, country: str | None) -> str:
    """Return a tax number as people write it at home: a part of every spelling that there is of it."""
    return key.removeprefix("XI" if country == "GB" and key.startswith("XI") else _prefix(country))


def _prefix(country: str | None) -> str:
    return {"GR": "EL"}.get(country or "", country or "")


_NOBODYS: Final = frozenset(
    {
        "ES00000000T",  # Spain: somebody whose number is not known
        "ESX0000000T",  # Spain: a foreigner whose number is not known
        "PT999999990",  # Portugal: the final consumer
        "XAXX010101000",  # Mexico: the public at large
        "XEXX010101000",  # Mexico: foreigners
        "OO99999999999",  # Italy: customers outside the EU
    }
)


def name_key(name: str | None) -> str:
    """Return a name as people search for it: without accents, capitals and doubled blanks."""
    name = name or ""
    if name.isascii():
        return " ".join(name.lower().split())
    spelled = unicodedata.normalize("NFKD", name).casefold()
    return " ".join("".join(letter for letter in spelled if not unicodedata.combining(letter)).split())


def legal_id_key(value: str) -> str:
    """Return a registered identifier in one spelling: digits are often grouped by blanks or dots."""
    compact = re.sub(r"[\s.\-]", "", value)
    return compact if compact.isdigit() else value.strip()


def contact_identity(source: str, company: str, buyer: Party) -> str:
    """Return what makes two recipients the same contact within one account.

    A French public body is told by its establishment (SIRET, scheme 0009), for several share one tax number;
    everybody else by a tax number of its own, else by a registered identifier, else by the ERP's own key; and where
    there is none either, by all that is known of it.
    """
    return _told_by_number(buyer) or f"own:{source}:{company}:{buyer.key or _likeness(buyer)}"


def integration_code(source: str, buyer: Party) -> str:
    """Return the code under which our contacts are found again at B2Brouter (API 5.1).

    It names one customer: without a key, what tells it from all others stands in its place.
    """
    return f"{source}:{buyer.key or _told_by_number(buyer) or _likeness(buyer)}"


def _told_by_number(buyer: Party) -> str | None:
    siret = buyer.legal_id(SIRET)
    if buyer.is_public_body and siret:
        return f"{SIRET}:{legal_id_key(siret)}"
    tax = telling_tax_number(buyer.tax_number, buyer.country)
    if tax:
        return f"tax:{tax}"
    registered = (one for one in buyer.legal_ids if one.value.strip() and one.scheme.zfill(4) != SERVICE_CODE)
    return next((f"{one.scheme}:{legal_id_key(one.value)}" for one in registered), None)


def _likeness(buyer: Party) -> str:
    """Return what only those have in common of whom all the same is known: a name alone tells nobody."""
    place = (buyer.country, buyer.address, buyer.address2, buyer.postal_code, buyer.city, buyer.province)
    known = (buyer.name, buyer.tax_number, *place, buyer.email, buyer.phone)
    text = "\x1f".join(part or "" for part in known)
    return f"like:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:_LIKENESS]}"


def database_identity(place: str, birthmark: str | None) -> str:
    """Return what names a database, and tells it from its copies where that can be told."""
    return f"{place} [{birthmark}]" if birthmark else place


def same_database(known: str, present: str) -> bool:
    """Whether two names of `database_identity` are one database: its address may change, its birthmark may not."""
    (place, _, mark), (other_place, _, other_mark) = known.partition(" ["), present.partition(" [")
    return mark == other_mark if mark and other_mark else _public(place) == _public(other_place)


def _public(place: str) -> str:
    """Return a place as services know it: systemd moves the folder of one aside whose user exists only while it runs.

    With `DynamicUser=yes` /var/lib/connector is a link to /var/lib/private/connector, otherwise it is the folder
    itself, and systemd moves it from one to the other as the unit says.
    """
    return re.sub(r"/var/(lib|cache|log)/private/", r"/var/\1/", place)
