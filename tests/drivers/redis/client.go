// SPDX-License-Identifier: Apache-2.0

// go-redis: a pool, RESP3, pipelines, transactions, scripts by hash, pub/sub, waiting, errors.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

func must(err error) {
	if err != nil && err != redis.Nil {
		panic(err)
	}
}

func pipelines(ctx context.Context, client *redis.Client) {
	_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := 0; i < 500; i++ {
			pipe.Set(ctx, fmt.Sprint("k", i), strings.Repeat("v", i*20), 0)
			pipe.Get(ctx, fmt.Sprint("k", i))
			pipe.HSet(ctx, "h", fmt.Sprint("f", i), i)
			pipe.HGet(ctx, "missing", "f")
		}
		return nil
	})
	must(err)
	_, _ = client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Incr(ctx, "n")
		pipe.Get(ctx, "n")
		pipe.LPush(ctx, "n", "wrong")
		return nil
	})
	must(client.Watch(ctx, func(tx *redis.Tx) error {
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error { return pipe.Set(ctx, "n", 5, 0).Err() })
		return err
	}, "n"))
}

func publish(ctx context.Context, client *redis.Client) {
	subscriber := client.Subscribe(ctx, "a", "b")
	_, err := subscriber.Receive(ctx)
	must(err)
	_, err = subscriber.Receive(ctx)
	must(err)
	for i := 0; i < 100; i++ {
		must(client.Publish(ctx, "a", i).Err())
	}
	for i := 0; i < 100; i++ {
		_, err = subscriber.ReceiveMessage(ctx)
		must(err)
	}
	must(subscriber.Unsubscribe(ctx, "a", "b"))
	for i := 0; i < 2; i++ {
		_, err = subscriber.Receive(ctx)
		must(err)
	}
	must(subscriber.Close())
}

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
	pipelines(ctx, client)
	var wait sync.WaitGroup
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for j := 0; j < 100; j++ {
				must(client.Incr(ctx, "t").Err())
				must(client.Get(ctx, fmt.Sprint("missing", j)).Err())
			}
		}()
	}
	wait.Wait()
	must(client.MGet(ctx, "k1", "k2", "missing").Err())
	_ = client.LPush(ctx, "t", "wrong").Err()
	script := redis.NewScript("return redis.call('incr', KEYS[1])")
	for i := 0; i < 10; i++ {
		must(script.Run(ctx, client, []string{"b"}).Err())
	}
	must(client.RPush(ctx, "jobs", "one").Err())
	must(client.BLPop(ctx, time.Second, "jobs").Err())
	must(client.BLPop(ctx, time.Second/10, "nothing").Err())
	publish(ctx, client)
	must(client.Close())
	other := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1], DB: 3, Protocol: 2})
	must(other.Set(ctx, "k", "v", 0).Err())
	must(other.Close())
}
