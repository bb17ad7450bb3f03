from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError


@broker.task(name="mail.count")
def count(box: str) -> int:
    raise NotImplementedError
