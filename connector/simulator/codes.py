"""Code lists of the service: schemes, transports, document types, taxes, states.

Source: the vendor's guides where it documents them; the rest is the public EAS list and what
independent clients have seen.
"""

from collections.abc import Mapping
from typing import Final

# Schemes by code: the country that uses it (`*` for all) and its meaning.
SCHEMES: Final[Mapping[str, tuple[str, str]]] = {
    "0002": ("fr", "SIREN"),
    "0007": ("se", "Swedish organisation number"),
    "0009": ("fr", "SIRET"),
    "0037": ("fi", "Finnish LY number"),
    "0060": ("*", "DUNS number"),
    "0088": ("*", "GLN"),
    "0096": ("dk", "Danish P number"),
    "0106": ("nl", "Dutch chamber of commerce number"),
    "0151": ("au", "Australian Business Number"),
    "0183": ("ch", "Swiss UID"),
    "0184": ("dk", "Danish CVR"),
    "0190": ("nl", "Dutch OIN"),
    "0191": ("ee", "Estonian company code"),
    "0192": ("no", "Norwegian organisation number"),
    "0195": ("sg", "Singapore UEN"),
    "0196": ("is", "Icelandic identification number"),
    "0198": ("dk", "Danish VAT number"),
    "0199": ("*", "Legal Entity Identifier"),
    "0200": ("lt", "Lithuanian legal entity code"),
    "0201": ("it", "Italian public office code"),
    "0204": ("de", "Leitweg-ID"),
    "0208": ("be", "Belgian enterprise number"),
    "0210": ("it", "Italian codice fiscale"),
    "0211": ("it", "Italian VAT number"),
    "0212": ("fi", "Finnish organisation identifier"),
    "0213": ("fi", "Finnish VAT number"),
    "0216": ("fi", "Finnish OVT code"),
    "0218": ("lv", "Latvian registration number"),
    "0225": ("fr", "French electronic address"),
    "0240": ("lu", "Luxembourg register number"),
    "8017": ("fr", "Chorus Pro service code"),
    "9906": ("it", "Italian VAT number"),
    "9907": ("it", "Italian codice fiscale"),
    "9910": ("hu", "Hungarian VAT number"),
    "9914": ("at", "Austrian VAT number"),
    "9915": ("at", "Austrian government identifier"),
    "9920": ("es", "Spanish tax number"),
    "9922": ("ad", "Andorran VAT number"),
    "9923": ("al", "Albanian VAT number"),
    "9924": ("ba", "Bosnian VAT number"),
    "9925": ("be", "Belgian VAT number"),
    "9926": ("bg", "Bulgarian VAT number"),
    "9927": ("ch", "Swiss VAT number"),
    "9928": ("cy", "Cypriot VAT number"),
    "9929": ("cz", "Czech VAT number"),
    "9930": ("de", "German VAT number"),
    "9931": ("ee", "Estonian VAT number"),
    "9932": ("gb", "British VAT number"),
    "9933": ("gr", "Greek VAT number"),
    "9934": ("hr", "Croatian VAT number"),
    "9935": ("ie", "Irish VAT number"),
    "9936": ("li", "Liechtenstein VAT number"),
    "9937": ("lt", "Lithuanian VAT number"),
    "9938": ("lu", "Luxembourg VAT number"),
    "9939": ("lv", "Latvian VAT number"),
    "9940": ("mc", "Monaco VAT number"),
    "9941": ("me", "Montenegrin VAT number"),
    "9942": ("mk", "North Macedonian VAT number"),
    "9943": ("mt", "Maltese VAT number"),
    "9944": ("nl", "Dutch VAT number"),
    "9945": ("pl", "Polish VAT number"),
    "9946": ("pt", "Portuguese VAT number"),
    "9947": ("ro", "Romanian VAT number"),
    "9948": ("rs", "Serbian VAT number"),
    "9949": ("si", "Slovenian VAT number"),
    "9950": ("sk", "Slovak VAT number"),
    "9951": ("sm", "San Marino VAT number"),
    "9952": ("tr", "Turkish VAT number"),
    "9953": ("va", "Vatican VAT number"),
    "9957": ("fr", "French VAT number"),
    "9959": ("us", "US employer number"),
    "9999": ("*", "Tax number of an unknown scheme"),
}
GLN_SCHEME: Final = "0088"
UNKNOWN_SCHEME: Final = "9999"
NOT_FOR_PIN: Final = frozenset({"9957"})

TIN_SCHEME_OF_COUNTRY: Final[Mapping[str, str]] = {
    country: code
    for code, (country, meaning) in SCHEMES.items()
    if country != "*" and ("VAT number" in meaning or "tax number" in meaning or country in {"us", "au"})
}

# Transports: the countries that use it, and whether its network reports back after `sent`.
TRANSPORTS: Final[Mapping[str, tuple[str, bool]]] = {
    "b2brouter": ("*", False),
    "peppol": ("*", True),
    "email": ("*", False),
    "download": ("*", False),
    "sftp": ("*", False),
    "fr.chorus": ("fr", True),
    "fr.dgfip": ("fr", True),
    "it.sdi": ("it", True),
    "es.face": ("es", True),
    "es.faceb2b": ("es", True),
    "es.efact": ("es", True),
    "es.peca": ("es", True),
    "es.verifactu": ("es", False),
    "pl.ksef": ("pl", True),
}

DOCUMENT_TYPES: Final[Mapping[str, str]] = {
    "json": "json",
    "pdf.invoice": "pdf",
    "xml.facturae.3.2.2": "facturae",
    "xml.facturae.3.2.1": "facturae",
    "xml.facturae.3.2": "facturae",
    "xml.ubl.invoice": "ubl",
    "xml.ubl.invoice.bis3": "ubl",
    "xml.ubl.invoice.chorus": "ubl",
    "xml.ubl.invoice.frcius.v1": "ubl",
    "xml.cii.cross_industry_invoice.frcius.v1": "cii",
    "pdf.a.invoice.with.xml.cii.cross_industry_invoice.facturx.fr.all_profiles.v1": "factur-x",
    "xml.fatturapa.1.2": "fatturapa",
}

TAX_CATEGORIES: Final = frozenset({"S", "H", "AA", "AAA", "E", "Z", "NS", "AE", "G", "K", "O"})
ZERO_PERCENT_CATEGORIES: Final = frozenset({"E", "Z", "NS"})

ISSUED_TYPES: Final = frozenset({"IssuedInvoice", "IssuedSimplifiedInvoice", "IssuedSelfInvoice"})
INVOICE_TYPES: Final = ISSUED_TYPES | {"ReceivedInvoice"}

STATES: Final = frozenset(
    {
        "new", "sending", "processing_pdf", "validating", "sent", "issued", "registered", "received",
        "downloaded", "read", "annotated", "accepted", "allegedly_paid", "paid", "closed", "refused",
        "error", "discarded", "invalid", "cancelled", "annulled", "performing_ocr", "ocr_failed",
    }
)  # fmt: skip

# States that a user or the API may set by hand, by kind of document. Source: reference of mark_as.
MARK_AS_TARGETS: Final[Mapping[str, frozenset[str]]] = {
    "IssuedInvoice": frozenset({"new", "sent", "accepted", "registered", "refused", "paid", "closed"}),
    "ReceivedInvoice": frozenset({"new", "paid", "accepted", "refused", "annotated"}),
    "IssuedSimplifiedInvoice": frozenset(
        {"new", "sent", "paid", "downloaded", "accepted", "refused", "registered", "closed"}
    ),
    "IssuedSelfInvoice": frozenset({"paid", "accepted", "registered", "closed"}),
}
