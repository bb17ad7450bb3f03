from typedtasks import Broker

broker = Broker("memory://", max_payload=1000)


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError
