"""Those who listen: the subscriber that notes what people are told, and the operator who redrives dead letters."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

from account import aws, output

SUBSCRIBER = "chaos-told"


class Queue:
    """A queue that is emptied by a thread, message by message."""

    def __init__(self, url: str) -> None:
        self.url, self._ended = url, threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Read what is there, and end."""
        self._ended.set()
        self._thread.join()

    def take(self, message: dict[str, Any]) -> None:
        """What is done with one message."""
        raise NotImplementedError

    def _listen(self) -> None:
        while True:
            over = self._ended.is_set()
            found = aws("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            for message in found.get("Messages", []):
                self.take(message)
                aws("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            if not found.get("Messages"):
                if over:
                    return
                self._ended.wait(0.3)


class Told(Queue):
    """Every message of the topic, by the journal entry that it is about."""

    def __init__(self) -> None:
        url = aws("sqs").create_queue(QueueName=SUBSCRIBER)["QueueUrl"]
        arn = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        aws("sns").subscribe(TopicArn=output("TopicArn"), Protocol="sqs", Endpoint=arn)
        self.entries: Counter[str] = Counter()
        super().__init__(url)

    def take(self, message: dict[str, Any]) -> None:
        """Count the entry that the message names."""
        self.entries[json.loads(message["Body"])["MessageAttributes"]["entry"]["Value"]] += 1


class Operator(Queue):
    """Gives a function again what it could not process, as a person does who redrives a dead letter."""

    def __init__(self) -> None:
        self.redriven: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        super().__init__(output("FailedEventsUrl"))

    def take(self, message: dict[str, Any]) -> None:
        """Redrive an event; batches of stream records can't be, their records are not in the letter."""
        letter = json.loads(message["Body"])
        if "requestPayload" not in letter:
            self.lost.append(letter)
            return
        function = letter["requestContext"]["functionArn"].split(":")[6]
        payload = json.dumps(letter["requestPayload"])
        aws("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)
        self.redriven.append(letter)
