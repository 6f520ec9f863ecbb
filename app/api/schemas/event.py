"""What receivers are sent."""

from typing import Literal

from pydantic import BaseModel, Field

from app.api.schemas.call import CallEvent, CallEventData
from app.api.schemas.common import Timestamp


class DeliveredEventData(CallEventData):
    """What has happened, and for which subscription it is sent."""

    subscription_id: str = Field(
        description="The subscription that it is sent for.", examples=["sub_0c1m842cp95qqrkphhnzx3"]
    )
    metadata: dict[str, str] = Field(
        description="The subscription's, as it was when the event was written down.", examples=[{"deal": "4711"}]
    )


class DeliveredEvent(CallEvent):
    """The body of a delivery: the same bytes at every attempt. Fields may be added; ignore those you do not know."""

    data: DeliveredEventData


class PingData(BaseModel):
    """Nothing to act on."""

    event_id: str = Field(description="The `webhook-id`.", examples=["evt_1m842cp907q3yc2f95cq"])


class Ping(BaseModel):
    """What a test of a callback URL sends: of no call."""

    type: Literal["ping"]
    timestamp: Timestamp
    data: PingData
