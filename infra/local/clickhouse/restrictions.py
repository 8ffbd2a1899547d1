"""What users other than `default` may not read, where the engine itself does not stop them.

chdb ignores <access_control_improvements>, so that any user can read system tables without a grant, and
some table functions show keys past a row filter or open connections before they check a grant. Who is fenced
to one tenant is also kept from what tells how many rows the filter takes out: sizes and plans.
"""

from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.statement import Statement
from infra.local.clickhouse.users import User

CATALOGUE = frozenset({"databases", "tables", "columns"})
"""The engine shows only granted tables in these, but their sizes are those of all tenants."""
STORAGE = frozenset({"parts", "merges", "disks"})
"""For the dashboard on the pipeline's health; of the first two the engine shows those of granted tables."""
OPEN_SYSTEM_TABLES = frozenset({"one", "numbers", "functions", "settings", "data_type_families"})
"""What clients and query editors need beside the catalogue."""
OPEN_TABLE_FUNCTIONS = frozenset(
    [
        "numbers",
        "numbers_mt",
        "zeros",
        "zeros_mt",
        "values",
        "format",
        "null",
        "view",
        "generateseries",
        "generate_series",
    ]
)
CLOSED_FUNCTIONS = frozenset(["file", "catboostevaluate", "getserversetting", "getmergetreesetting"])
"""Ordinary functions; of the table functions all are closed but the open ones."""
CLOSED_TO_FENCED = frozenset(["hascolumnintable", "joinget", "joingetornull", "lowcardinalityindices"])
STATEMENTS = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "SET")
FENCED_STATEMENTS = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "SET")
"""EXPLAIN counts granules and rows before the filter."""
_DATABASES = frozenset({"system", "information_schema"})


def check(user: User, database: str, statement: Statement, table_functions: frozenset[str]) -> None:
    """Raises ServerError when the statement names something that is closed for `user`.

    `table_functions` are the engine's, in lower case.
    """
    closed = (table_functions - OPEN_TABLE_FUNCTIONS) | CLOSED_FUNCTIONS
    open_tables = OPEN_SYSTEM_TABLES if user.fenced else OPEN_SYSTEM_TABLES | CATALOGUE | STORAGE
    names = [(token.name or "").lower() for token in statement.tokens]
    if database.lower() in _DATABASES:
        raise _denied(user, f"the grant SELECT ON {database}.*")
    if statement.first not in (FENCED_STATEMENTS if user.fenced else STATEMENTS):
        raise _denied(user, f"a grant for {statement.first or 'this statement'}")
    if user.fenced:
        if statement.first == "SHOW" and names[1:2] != ["tables"]:
            raise _denied(user, f"a grant for SHOW {' '.join(names[1:2]).upper()}")
        closed |= CLOSED_TO_FENCED
    for i, name in enumerate(names):
        following = statement.tokens[i + 1].text if i + 1 < len(names) else b""
        if name in closed and following == b"(":
            raise _denied(user, f"a grant for the function {name}")
        if name == "system" and following == b".":
            table = names[i + 2] if i + 2 < len(names) else ""
            if table not in open_tables:
                raise _denied(user, f"the grant SELECT ON system.{table}")
        if name == "information_schema" and following == b".":
            raise _denied(user, "the grant SELECT ON information_schema.*")


def _denied(user: User, what: str) -> ServerError:
    message = f"{user.name}: Not enough privileges. To execute this query, it's necessary to have {what}."
    return ServerError.make(497, "ACCESS_DENIED", message)
