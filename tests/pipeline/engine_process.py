"""A ClickHouse engine in a process of its own: reads {"sql": …} lines, answers {"rows": …} or {"error": …} lines.

Run by the Python whose chdb-core is to be tried, so it imports nothing of ours. Arguments: data folder, config file.
"""

import json
import sys

from chdb.session import Session


def main() -> None:
    session = Session(f"file:{sys.argv[1]}?config-file={sys.argv[2]}")
    for line in sys.stdin:
        try:
            result = session.query(json.loads(line)["sql"], "JSONEachRow")
            text = result.bytes().decode("utf-8", "replace") if result is not None else ""
            answer = {"rows": [json.loads(row) for row in text.splitlines() if row]}
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


main()
