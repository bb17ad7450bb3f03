from typing import Literal

from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(kind: Literal["letter", "parcel"]) -> str:
    raise NotImplementedError
