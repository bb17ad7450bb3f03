from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send", queue="slow")
def send(to: str) -> str:
    raise NotImplementedError
