"""A mail server that keeps what it gets, and can be away for a while at the same port."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from typing import Self


class Mail:
    """One message as it arrived."""

    def __init__(self, to: str, raw: bytes) -> None:
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        body = parsed.get_body(("plain",))
        assert body is not None
        self.to = to
        self.subject = str(parsed["Subject"])
        self.text: str = body.get_content().replace("\r\n", "\n")


class MailServer:
    """SMTP on a port of its own; `stop` and `start` it as you like."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.port = 0
        self._server: socketserver.ThreadingTCPServer | None = None

    def address(self, to: str, password: str = "canary-smtp-password") -> str:
        return (
            f"mailto://mailer:{password}@127.0.0.1:{self.port}?from=us@example.com&to={to}&format=text&mode=insecure"
        )

    def start(self) -> Self:
        mails = self.mails

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.answer("220 here")
                to = ""
                while line := self.rfile.readline():
                    word = line[:4].upper().decode()
                    match word:
                        case "EHLO":
                            self.answer("250-here")
                            self.answer("250 AUTH PLAIN LOGIN")
                        case "AUTH":
                            self.answer("235 welcome")
                        case "RCPT":
                            to = line.decode().partition("<")[2].partition(">")[0]
                            self.answer("250 yes")
                        case "DATA":
                            self.answer("354 go on")
                            raw = b""
                            while (part := self.rfile.readline()) != b".\r\n":
                                raw += part
                            mails.append(Mail(to, raw))
                            self.answer("250 taken")
                        case "QUIT":
                            self.answer("221 bye")
                            return
                        case _:
                            self.answer("250 yes")

            def answer(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), Talk)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def subjects(self, to: str | None = None) -> list[str]:
        return [mail.subject for mail in self.mails if to in {None, mail.to}]
