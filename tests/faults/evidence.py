"""What is known outside of the service after a run, put before the judge."""

import json

import httpx

from tests.faults.load import Load
from tests.faults.report import FaultRow
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.judge import Delivery, judge
from tests.judgement import Judgement
from tests.peers import Receipt


async def judgement_of(stage: Stage, load: Load) -> Judgement:
    """Judge all that was subscribed to; all calls must have ended."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(f"{stage.simulator_url}/simulator/log")
    log = [json.loads(line) for line in answer.text.splitlines()]
    receipts = [receipt for receiver in stage.receivers for receipt in receiver.receipts]
    accepted = [_delivery(one) for one in receipts if one.accepted]
    refused = [_delivery(one) for one in receipts if not one.accepted]
    return judge(log, [one.subscriber for one in load.followed], accepted, refused)


def row_of(trial: Trial, judgement: Judgement) -> FaultRow:
    """Return what came of a fault, with the lateness of what came true while it lasted."""
    broken = trial.broken
    return FaultRow(
        name=broken.fault.name,
        lasted=broken.lasted,
        calls=trial.calls,
        lags=judgement.lags(broken.began, broken.ended),
        healed=trial.healed,
        within=broken.fault.heals_within,
        seen=trial.seen,
    )


def _delivery(receipt: Receipt) -> Delivery:
    return Delivery(receipt.path, receipt.headers["webhook-id"], receipt.body, receipt.at, receipt.headers)
