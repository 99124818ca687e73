"""ponderd as it was at another commit, with that commit's own code for everything.

python tests/benchmarks/peers/with_checkout.py '{"model_url": …}', in the folder of its checkout
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.benchmarks import systems  # of the checkout
from tests.benchmarks.peers import lines


async def main() -> None:
    async with systems.ponderd(**json.loads(sys.argv[1])) as system:

        async def processes() -> dict[str, list[int]]:
            return {
                "workers": [process.pid for process in system.workers],
                "store": [process.pid for process in system.store()],
            }

        async def launch(marks: list[int], calls: int) -> None:
            await system.launch(marks, calls)

        async def stored() -> dict[str, Any]:
            return vars(await system.stored())

        await lines.serve(
            processes=processes, launch=launch, completed=system.completed, stored=stored
        )


if __name__ == "__main__":
    asyncio.run(main())
