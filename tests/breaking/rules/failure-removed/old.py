from typedtasks import Broker, TaskError

broker = Broker("memory://")


class Refused(TaskError):
    status: int


@broker.task(name="mail.send", raises=Refused)
def send(to: str) -> str:
    raise NotImplementedError
