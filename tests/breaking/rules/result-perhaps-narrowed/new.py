from pydantic import BaseModel, ConfigDict

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    model_config = ConfigDict(str_max_length=100)

    to: str


@broker.task(name="mail.send")
def send(to: str) -> Letter:
    raise NotImplementedError
