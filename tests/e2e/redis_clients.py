# SPDX-License-Identifier: Apache-2.0
"""Clients of Redis for the end-to-end tests: `redis_clients.py sync|asyncio|resp3|secrets PORT-OR-SOCKET [SECRET]`.

Prints how many GETs scripts made inside of the server, which cross no socket: "inner N".
"""

import asyncio
import socket
import sys
import threading

SCRIPT = "redis.call('get', KEYS[1]) return redis.call('get', KEYS[1])"


def place(where):
    return {"unix_socket_path": where} if where.startswith("/") else {"host": "127.0.0.1", "port": int(where)}


def sync(where):
    import redis

    client = redis.Redis(**place(where))
    with client.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.set(f"k{i}", "v" * (i * 20))
            pipe.get(f"k{i}")
        pipe.execute()
    with client.pipeline(transaction=True) as pipe:
        for i in range(100):
            pipe.get(f"k{i}").incr("n").lpush("k1", "wrong")
        pipe.execute(raise_on_error=False)
    with client.pipeline() as pipe:
        pipe.watch("n")
        client.incr("n")
        pipe.multi()
        pipe.set("n", 0)
        try:
            pipe.execute()
        except redis.WatchError:
            pass
    script = client.register_script(SCRIPT)
    for _ in range(10):
        script(keys=["k1"])
    pubsub = client.pubsub()
    pubsub.subscribe("a", "b")
    pubsub.psubscribe("p*")
    for i in range(200):
        client.publish("a" if i % 2 else "pattern", f"message {i}")
    received = 0
    while received < 200:
        message = pubsub.get_message(timeout=5)
        assert message is not None
        received += message["type"] in ("message", "pmessage")
    pubsub.unsubscribe()
    pubsub.punsubscribe()
    while pubsub.subscribed:
        assert pubsub.get_message(timeout=5)
    waiter = threading.Thread(target=lambda: redis.Redis(**place(where)).blpop("jobs", timeout=10))
    waiter.start()
    client.rpush("jobs", "one")
    waiter.join()
    threads = [threading.Thread(target=lambda: [client.incr("t") for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other = redis.Redis(**place(where), db=5)
    other.set("k", "v")
    other.close()
    client.close()
    return 20


async def asynchronous(where):
    import redis.asyncio as redis

    client = redis.Redis(**place(where))

    async def work(number):
        for i in range(100):
            await client.set(f"w{number}", i)
            await client.get(f"w{number}")

    await asyncio.gather(*(work(number) for number in range(20)))
    async with client.pipeline(transaction=True) as pipe:
        await pipe.set("a", 1).get("a").hgetall("a").execute(raise_on_error=False)
    pubsub = client.pubsub()
    await pubsub.subscribe("c")
    await client.publish("c", "hello")
    kinds = []
    while "message" not in kinds:
        message = await pubsub.get_message(timeout=5)
        kinds.append(message["type"] if message else None)
    await pubsub.unsubscribe("c")
    await pubsub.close()
    await client.close()
    await client.connection_pool.disconnect()
    return 0


class Raw:
    """A connection that speaks the protocol by hand."""

    def __init__(self, where):
        if where.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        else:
            self.socket = socket.create_connection(("127.0.0.1", int(where)))
        self.seen = b""

    def send(self, *commands):
        data = b""
        for command in commands:
            words = [word.encode() for word in command]
            data += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.socket.sendall(data)

    def until(self, end):
        while end not in self.seen:
            data = self.socket.recv(65536)
            assert data, self.seen[-200:]
            self.seen += data
        self.seen = self.seen[self.seen.index(end) + len(end):]


def resp3(where):
    writer, reader = Raw(where), Raw(where)
    reader.send(["HELLO", "3"], ["CLIENT", "TRACKING", "ON"], ["SUBSCRIBE", "a", "b"], ["GET", "k"], ["PING", "0"])
    reader.until(b"$1\r\n0\r\n")
    for i in range(1, 100):
        writer.send(["SET", "k", str(i)], ["PUBLISH", "a", "x" * i])
        writer.until(b":1\r\n")
        reader.send(["GET", "k"], ["LRANGE", "l", "0", "-1"], ["PING", f"end{i}"])
        reader.until(f"end{i}\r\n".encode())
    reader.send(["MULTI"], ["GET", "k"], ["SUBSCRIBE", "c", "d"], ["PING"], ["EXEC"], ["UNSUBSCRIBE"], ["PING", "end"])
    reader.until(b"end\r\n")
    reader.send(["CLIENT", "REPLY", "OFF"], ["SET", "silent", "1"], ["CLIENT", "REPLY", "ON"], ["PING", "on"])
    reader.until(b"$2\r\non\r\n")
    reader.send(["RESET"], ["GET", "k"], ["PING", "last"])
    reader.until(b"last\r\n")
    writer.socket.sendall(b"PING\r\nget k\r\nexists k 'a b'\r\nQUIT\r\n")
    writer.until(b"+OK\r\n")
    return 0


def secrets(where, secret):
    raw = Raw(where)
    raw.socket.sendall(f"AUTH {secret}0\r\nSET {secret} {secret}\r\n{secret}inline {secret}\r\n".encode())
    raw.send(["HELLO", "3", "AUTH", "default", secret + "0"], ["SUBSCRIBE", secret], ["ECHO", "over" + secret])
    raw.until(f"over{secret}\r\n".encode())
    raw.send(["PUBLISH", secret, secret], ["MONITOR"], ["PING", "over"])
    raw.until(b"over\r\n")
    raw.socket.sendall(b"*1\r\n$" + secret.encode() + b"\r\n")
    while raw.socket.recv(65536):
        pass
    return 0


def main():
    mode, where = sys.argv[1:3]
    if mode == "sync":
        inner = sync(where)
    elif mode == "asyncio":
        inner = asyncio.run(asynchronous(where))
    elif mode == "resp3":
        inner = resp3(where)
    else:
        inner = secrets(where, sys.argv[3])
    print(f"inner {inner}")


main()
