from typedtasks import Broker

broker = Broker("memory://", reserved=["mail.post"])


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError
