// SPDX-License-Identifier: Apache-2.0
// ioredis: queued calls, pipelines by hand and by itself, transactions, scripts by hash, pub/sub, waiting, errors.
"use strict";
const Redis = require("ioredis");

const numbers = (count) => [...Array(count).keys()];

async function publish(port) {
    const client = new Redis(port);
    const subscriber = client.duplicate();
    await subscriber.subscribe("a", "b");
    await subscriber.psubscribe("p*");
    let received = 0;
    const done = new Promise((resolve) => {
        const one = () => { if (++received === 100) resolve(); };
        subscriber.on("message", one);
        subscriber.on("pmessage", one);
    });
    for (const i of numbers(100))
        await client.publish(i % 2 ? "a" : "pattern", `message ${i}`);
    await done;
    await subscriber.unsubscribe("a", "b");
    await subscriber.punsubscribe("p*");
    await subscriber.quit();
    await client.quit();
}

async function main() {
    const port = Number(process.argv[2]);
    const client = new Redis(port);
    await Promise.all(numbers(500).map((i) => client.set(`k${i}`, "v".repeat(i * 20))));
    await Promise.all(numbers(600).map((i) => client.get(`k${i}`)));
    await client.mget("k1", "k2", "missing");
    const pipeline = client.pipeline();
    for (const i of numbers(300))
        pipeline.incr("n").hset("h", `f${i}`, i).hget("h", `f${i}`).hget("missing", "f");
    await pipeline.exec();
    await client.multi().set("m", 1).get("m").lpush("m", "wrong").exec();
    await client.lpush("m", "wrong").catch(() => {});
    client.defineCommand("bump", { numberOfKeys: 1, lua: "return redis.call('incr', KEYS[1])" });
    for (const i of numbers(10))
        await client.bump("b");
    const other = new Redis(port, { db: 3, enableAutoPipelining: true });
    await Promise.all(numbers(200).map((i) => other.set(`o${i}`, i)));
    const waiter = client.duplicate();
    const popped = waiter.blpop("jobs", 10);
    await client.rpush("jobs", "one");
    await popped;
    await publish(port);
    await Promise.all([client.quit(), other.quit(), waiter.quit()]);
}

main();
