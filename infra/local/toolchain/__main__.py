"""`python -m infra.local.toolchain [--verify] [tool ...]`: sets the tools up and prints where they are."""

import argparse
import sys

from infra.errors import UserError
from infra.local.toolchain import ALL, ensure


def main() -> int:
    """Exit code 1 with one message when a tool can't be had."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.toolchain", description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="tool", help=f"any of {', '.join(ALL)}; default: all")
    parser.add_argument("--verify", action="store_true", help="hash every file of the cache again")
    arguments = parser.parse_args()
    try:
        toolchain = ensure(arguments.tools or ALL, verify=arguments.verify)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run continues with what Go and Maven have kept", file=sys.stderr)
        return 130
    for part in toolchain.parts.values():
        print(f"{part.name} {part.version} ({part.id}) {part.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
