"""What tells a database from a restored copy of it, which has the same name, tables and rows."""

from __future__ import annotations

from sqlalchemy import Connection, text

_MAY_ASK = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
_CLUSTER = "SELECT system_identifier FROM pg_catalog.pg_control_system()"
_NUMBER = "SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()"
_SERVER = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('server_uid', 'server_uuid')"


def birthmark(connection: Connection) -> str | None:
    """Return what a database keeps for life and a restored copy of it has not.

    PostgreSQL: the cluster's identifier and the database's number in it. MariaDB and MySQL: the server's
    identifier and the database's name, so that a copy restored over the original is not seen. Others, and
    servers that do not tell us: None.
    """
    kind = connection.dialect.name
    if kind == "postgresql":
        if not connection.execute(text(_MAY_ASK)).scalar_one():
            return None
        return f"{connection.execute(text(_CLUSTER)).scalar_one()}/{connection.execute(text(_NUMBER)).scalar_one()}"
    if kind in {"mysql", "mariadb"}:
        server = connection.execute(text(_SERVER)).first()
        return f"{server[1]}/{connection.engine.url.database}" if server else None
    return None
