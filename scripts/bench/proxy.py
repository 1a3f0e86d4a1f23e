"""A TCP proxy that delays both directions, for measuring as over a long line.

proxy.py TARGET_PORT DELAY_MS prints the port it listens on; for each line on its stdin it prints what passed since the
last one, as JSON: bytes up, bytes down, and turns (how often the direction changed from up to down: about the round
trips that somebody waited for). It ends when its stdin does. Must never hold data back for want of throughput: what is
on its way may be as much as the line's ends send.
"""

import asyncio
import collections
import json
import os
import sys


class Passed:
    """What passed through, of all connections."""

    def __init__(self):
        self.up = self.down = self.turns = 0
        self.last_up = False

    def count(self, is_up, length):
        if is_up:
            self.up += length
        else:
            self.down += length
            self.turns += self.last_up
        self.last_up = is_up

    def take(self):
        found = {"up": self.up, "down": self.down, "turns": self.turns}
        self.__init__()
        return found


async def carry(reader, writer, delay, is_up, passed):
    """Hands on what comes, each piece `delay` seconds after it came."""
    loop = asyncio.get_running_loop()
    pieces = collections.deque()
    came = asyncio.Event()

    async def send():
        while True:
            while not pieces:
                came.clear()
                await came.wait()
            due, piece = pieces.popleft()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if piece is None:
                break
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    try:
        while piece := await reader.read(1 << 18):
            passed.count(is_up, len(piece))
            pieces.append((loop.time() + delay, piece))
            came.set()
    except OSError:
        pass
    pieces.append((loop.time() + delay, None))
    came.set()
    try:
        await sending
    except OSError:
        # The other end has gone first.
        pass


async def main(target, delay):
    passed = Passed()

    async def connection(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            carry(reader, far_writer, delay, True, passed), carry(far_reader, writer, delay, False, passed)
        )
        for end in (writer, far_writer):
            end.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(questions), sys.stdin
    )
    while await questions.readline():
        print(json.dumps(passed.take()), flush=True)
    # Connections that are still open end with the process: nobody measures them any more.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
