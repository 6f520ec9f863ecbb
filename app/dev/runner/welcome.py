"""What the user is told when everything is ready."""

from collections.abc import Iterator

from app.dev.runner.home import DemoTenant, Home
from app.dev.runner.surroundings import Surroundings


def welcome(around: Surroundings, tenant: DemoTenant, home: Home, *, ready_seconds: float) -> str:
    return "\n".join(_lines(around, tenant, home, ready_seconds))


def try_next(around: Surroundings, tenant: DemoTenant) -> str:
    """Return shell commands that register a call: one that they trigger, or the user's own at the real upstream."""
    upstream = around.upstream
    subscribe = (
        f"curl -sS {around.api_url}/v1/subscriptions \\\n"
        f"  -H 'Authorization: Bearer {tenant.api_key}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
    )
    if upstream.simulator_port is None:
        return subscribe + f'  -d \'{{"call_sid": "OUT-…", "callback_url": "{around.callback_url}"}}\''
    account = f"{upstream.base_url}/api/v1/{upstream.account_id}/{upstream.project_id}"
    return (
        f"SID=$(curl -sS -X POST {account}/outbound-call \\\n"
        f"  -H 'X-CONNECTOR-ID: {upstream.connector_id}' | grep -o 'OUT-[^\"]*')\n"
        + subscribe
        + f'  -d "{{\\"call_sid\\": \\"$SID\\", \\"callback_url\\": \\"{around.callback_url}\\"}}"'
    )


def _lines(around: Surroundings, tenant: DemoTenant, home: Home, ready_seconds: float) -> Iterator[str]:
    simulated = around.upstream.simulator_port is not None
    yield f"Ready after {ready_seconds:.1f} s."
    yield ""
    if around.api_port != around.wanted_api_port:
        yield f"  (port {around.wanted_api_port} is taken: the API has another one)"
    yield f"  API         {around.api_url}"
    yield f"  docs        {around.api_url}/docs"
    for place, (name, url) in enumerate(around.metrics):
        yield f"  {'metrics' if place == 0 else '':<10}  {url}  {name}"
    yield f"  upstream    {around.upstream.base_url}{'  simulated' if simulated else ''}"
    yield f"  listener    {around.callback_url}  verifies each signature"
    yield f"  API key     {tenant.api_key}"
    yield f"  kept in     {home.directory}/: data, keys, logs"
    yield ""
    yield "Try a call of your own:" if simulated else "Follow a call of yours, with its SID in place of OUT-…:"
    yield ""
    yield try_next(around, tenant)
