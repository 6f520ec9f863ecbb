"""Running the tools that only `make contract` has installed."""

import asyncio
import os
import sys
from pathlib import Path


async def run_tool(name: str, *arguments: str, folder: Path) -> str:
    """Run a tool in a folder and return what it says; fails with that when it ends with an error.

    The event loop goes on meanwhile: what the tool asks may be served by this process.
    """
    tools = Path(sys.executable).parent
    process = await asyncio.create_subprocess_exec(
        str(tools / name),
        *arguments,
        cwd=folder,
        # The generator calls ruff by its name.
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said
    return said
