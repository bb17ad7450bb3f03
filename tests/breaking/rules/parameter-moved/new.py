from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(sender: str, to: str) -> str:
    raise NotImplementedError
