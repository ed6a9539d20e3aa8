// SPDX-License-Identifier: Apache-2.0

// pgx: its statement cache, batches, COPY, the simple protocol, a pool, errors.
package main

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "")
	must(err)
	for i := 0; i < 50; i++ {
		_, err = conn.Exec(ctx, "INSERT INTO items VALUES ($1, $2)", i, "x")
		must(err)
	}
	batch := &pgx.Batch{}
	for i := 0; i < 100; i++ {
		batch.Queue("UPDATE items SET name = $2 WHERE id = $1", i, "y")
	}
	batch.Queue("SELECT count(*) FROM items")
	must(conn.SendBatch(ctx, batch).Close())
	var rows [][]any
	for i := 1000; i < 1500; i++ {
		rows = append(rows, []any{i, "c"})
	}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id", "name"}, pgx.CopyFromRows(rows))
	must(err)
	for i := 0; i < 10; i++ {
		_, err = conn.Exec(ctx, "SELECT $1::int", pgx.QueryExecModeSimpleProtocol, i)
		must(err)
		_, err = conn.Exec(ctx, "SELECT $1::int + 1", pgx.QueryExecModeExec, i)
		must(err)
	}
	_, err = conn.Exec(ctx, "SELECT * FROM nowhere")
	failed := &pgx.Batch{}
	failed.Queue("SELECT 1/0")
	failed.Queue("SELECT 1/0 + 1")
	err = conn.SendBatch(ctx, failed).Close()
	must(conn.Close(ctx))
	pool, err := pgxpool.New(ctx, "")
	must(err)
	var wait sync.WaitGroup
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for j := 0; j < 25; j++ {
				tx, err := pool.Begin(ctx)
				must(err)
				_, err = tx.Exec(ctx, "SELECT name FROM items WHERE id = $1", j)
				must(err)
				must(tx.Commit(ctx))
			}
		}()
	}
	wait.Wait()
	pool.Close()
}
