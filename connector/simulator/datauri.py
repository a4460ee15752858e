"""Files in request bodies: raw bytes, or a data URI as text."""

from base64 import b64decode
from binascii import Error as Base64Error

from connector.simulator.problems import bad_request


def unpacked(body: bytes) -> bytes:
    """The file itself: `data:text/xml;name=invoice.xml;base64,…` is decoded, all else is taken as it is."""
    if not body.startswith(b"data:"):
        return body
    head, _, content = body.partition(b",")
    if not head.endswith(b";base64"):
        return content
    try:
        return b64decode(content, validate=False)
    except Base64Error as error:
        raise bad_request("The data URI is not valid base64") from error
