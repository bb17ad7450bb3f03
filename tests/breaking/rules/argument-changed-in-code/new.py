from pydantic import BaseModel

from typedtasks import Broker

broker = Broker("memory://")


class Parcel(BaseModel):
    to: str


@broker.task(name="mail.send")
def send(letter: Parcel) -> str:
    raise NotImplementedError
