from typedtasks import Broker

broker = Broker("memory://", max_payload=1_000_000)


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError
