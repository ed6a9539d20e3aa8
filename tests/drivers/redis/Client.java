// SPDX-License-Identifier: Apache-2.0
import java.util.concurrent.CountDownLatch;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPool;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.exceptions.JedisDataException;

/** Jedis: a pool, pipelines, transactions, scripts, pub/sub, waiting, errors. */
public class Client {
    static final int MESSAGES = 100;

    static void pipelines(Jedis jedis) {
        Pipeline pipeline = jedis.pipelined();
        for (int i = 0; i < 500; i++) {
            pipeline.set("k" + i, "v".repeat(i * 20));
            pipeline.get("k" + i);
            pipeline.hset("h", "f" + i, "x");
            pipeline.hget("missing", "f");
        }
        pipeline.sync();
        jedis.watch("n");
        Transaction transaction = jedis.multi();
        transaction.incr("n");
        transaction.get("n");
        transaction.lpush("n", "wrong");
        transaction.exec();
    }

    static void singly(Jedis jedis) {
        for (int i = 0; i < 200; i++) {
            jedis.incr("t");
            jedis.get("missing" + i);
        }
        jedis.mget("k1", "k2", "missing");
        try {
            jedis.lpush("t", "wrong");
            throw new IllegalStateException("no error");
        } catch (JedisDataException expected) {
            assert expected.getMessage().startsWith("WRONGTYPE");
        }
        for (int i = 0; i < 10; i++)
            jedis.eval("return redis.call('incr', KEYS[1])", 1, "b");
        jedis.rpush("jobs", "one");
        jedis.blpop(1, "jobs");
        jedis.select(3);
        jedis.set("k", "v");
        jedis.select(0);
    }

    static void publish(JedisPool pool) throws Exception {
        CountDownLatch ready = new CountDownLatch(2);
        JedisPubSub listener = new JedisPubSub() {
            private int received;

            @Override
            public void onSubscribe(String channel, int count) {
                ready.countDown();
            }

            @Override
            public void onMessage(String channel, String message) {
                if (++received == MESSAGES)
                    unsubscribe();
            }
        };
        Thread subscriber = new Thread(() -> {
            try (Jedis jedis = pool.getResource()) {
                jedis.subscribe(listener, "a", "b");
            }
        });
        subscriber.start();
        ready.await();
        try (Jedis jedis = pool.getResource()) {
            for (int i = 0; i < MESSAGES; i++)
                jedis.publish("a", "message " + i);
        }
        subscriber.join();
    }

    public static void main(String[] arguments) throws Exception {
        try (JedisPool pool = new JedisPool("127.0.0.1", Integer.parseInt(arguments[0]))) {
            try (Jedis jedis = pool.getResource()) {
                pipelines(jedis);
                singly(jedis);
            }
            publish(pool);
        }
    }
}
