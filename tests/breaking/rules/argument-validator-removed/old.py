from pydantic import BaseModel, field_validator

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    to: str

    @field_validator("to")
    @classmethod
    def check(cls, value: str) -> str:
        return value


@broker.task(name="mail.send")
def send(letter: Letter) -> str:
    raise NotImplementedError
