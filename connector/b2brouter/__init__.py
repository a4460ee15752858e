"""The client of the B2Brouter REST API: one call after another, each with an outcome that can be trusted.

`client` implements `connector.ports.Remote`; `payloads` and `answers` alone know field names, `transport`
alone knows the HTTP library, `outcome` alone judges what an answer, or its absence, proves.
"""
