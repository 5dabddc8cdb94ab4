"""The bench's connections against a peer that behaves as services, and what stands before them, sometimes do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notify.bench.errors import BenchError
from notify.bench.exchange import Answer, Exchange
from notify.bench.network import Network
from notify.bench.streams import Streams
from notify.bench.target import Target
from support.waiting import eventually

PROBLEM = b'{"title":"Too much to do","detail":"Come back later."}'
REFUSAL = b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%b" % (len(PROBLEM), PROBLEM)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
START = b'id: abcd.0\nevent: inbox\ndata: {"unread":0}\n\n'
ANSWER = b'HTTP/1.1 200 OK\r\nETag: "abcd.1"\r\nContent-Length: 2\r\n%b\r\n{}'


@asynccontextmanager
async def peer(*replies: bytes, stays: bool = False) -> AsyncIterator[Target]:
    """Sends these to each connection, one for each request, and then closes it unless it is to stay."""
    leave = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await _request(reader):
                break
            # In two pieces, as it may come.
            writer.write(reply[:60])
            await writer.drain()
            writer.write(reply[60:])
        if stays:
            await leave.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Target(f"http://127.0.0.1:{port}/base", "key")
        leave.set()


async def _request(reader: asyncio.StreamReader) -> bool:
    try:
        return bool(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError:
        return False


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Exchange]:
    exchange = Exchange(Network(target))
    await exchange.open()
    yield exchange
    exchange.close()


def listed(target: Target) -> bytes:
    return target.request("GET", "/v1/notifications")


@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"])
async def test_a_connection_that_was_closed_after_an_answer_is_opened_again(head: bytes) -> None:
    async with peer(ANSWER % head) as target, opened(target) as exchange:
        for _ in range(3):
            answer = await exchange.ask(listed(target))
            assert (answer.status, answer.etag, answer.body) == (200, '"abcd.1"', b"{}")
            await eventually(lambda: exchange.is_closed, what="the end of the connection")


async def test_an_answer_that_does_not_come_is_known_as_such() -> None:
    async with peer(ANSWER[:30]) as target, opened(target) as exchange:
        with pytest.raises(BenchError, match="in the middle of a request"):
            await exchange.ask(listed(target))
    answers: list[Answer | None] = []
    exchange.send(listed(target), answers.append)
    await eventually(lambda: answers, what="the answer of a peer that is gone")
    assert answers == [None]


async def test_a_refusal_is_told_in_the_words_of_the_service() -> None:
    async with peer(REFUSAL) as target, opened(target) as exchange:
        with pytest.raises(BenchError, match=r"503 Too much to do\. Come back later\."):
            await exchange.ask(listed(target))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (REFUSAL, r"503 Too much to do\. Come back later\."),
        (STREAM + b'event: bye\ndata: {"reason":"overload"}\n\n', 'said bye: {"reason":"overload"}'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "ended the stream"),
        (b"SSH-2.0-no HTTP at all, and more than sixty characters of it", "was not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n", "closed the connection"),
    ],
)
async def test_a_stream_that_does_not_begin_says_why_and_what_to_do(reply: bytes, words: str) -> None:
    async with peer(reply) as target:
        with pytest.raises(BenchError, match=words) as refused:
            await Streams(target, Network(target)).open(["ann", "bob"], 2, lambda _: None)
    assert "fewer --connections" in str(refused.value)


async def test_a_service_that_is_gone_is_said_to_be_unreachable() -> None:
    async with peer() as target:
        pass
    with pytest.raises(BenchError, match="could not be opened after 0"):
        await Streams(target, Network(target)).open(["ann"], 1, lambda _: None)


async def test_a_stream_that_breaks_is_counted_and_one_that_we_drop_is_not() -> None:
    async with peer(STREAM + START) as target:
        streams = Streams(target, Network(target))
        await streams.open(["ann", "bob"], 1, lambda _: None)
        await eventually(lambda: streams.lost == 2, what="the end of both streams")
        await streams.close()
    async with peer(STREAM + START, stays=True) as target:
        streams = Streams(target, Network(target))
        await streams.open(["ann"], 1, lambda _: None)
        assert (streams.lost, [stream.position for stream in streams.all]) == (0, [b"abcd.0"])
        await streams.close()
        assert not streams.all
