# SPDX-License-Identifier: Apache-2.0
"""A Go server that asks PostgreSQL and Redis in each request, from the goroutine that serves it, and writes down which
connection it asked for which request: number, store, local port, how many times the connection was used before, and
the time around the call."""

GO = r"""
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type link struct {
	conn net.Conn
	in   *bufio.Reader
	used int
}

type pool struct {
	name, port string
	open       func(*link)
	mutex      sync.Mutex
	free       []*link
}

func (p *pool) take() *link {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if n := len(p.free); n > 0 {
		one := p.free[n-1]
		p.free = p.free[:n-1]
		return one
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		panic(err)
	}
	one := &link{conn: conn, in: bufio.NewReader(conn)}
	p.open(one)
	return one
}

func (p *pool) give(one *link) {
	p.mutex.Lock()
	p.free = append(p.free, one)
	p.mutex.Unlock()
}

var book sync.Mutex

func (p *pool) note(one *link, number string, begin time.Time) {
	port := one.conn.LocalAddr().(*net.TCPAddr).Port
	book.Lock()
	fmt.Printf("%s %s %d %d %d %d\n", number, p.name, port, one.used, begin.UnixNano(), time.Now().UnixNano())
	book.Unlock()
	one.used++
}

func message(kind byte, body string) []byte {
	out := []byte{kind, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(out[1:], uint32(len(body)+4))
	return append(out, body...)
}

// Up to ReadyForQuery.
func (one *link) ready() {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(one.in, head); err != nil {
			panic(err)
		}
		if head[0] == 'E' {
			panic("refused")
		}
		io.CopyN(io.Discard, one.in, int64(binary.BigEndian.Uint32(head[1:]))-4)
		if head[0] == 'Z' {
			return
		}
	}
}

func main() {
	postgres := &pool{name: "postgres", port: os.Args[3], open: func(one *link) {
		body := "\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
		one.conn.Write(message(0, body)[1:])
		one.ready()
	}}
	redis := &pool{name: "redis", port: os.Args[4], open: func(*link) {}}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		number := r.URL.Path[len("/r/"):]
		one := postgres.take()
		begin := time.Now()
		one.conn.Write(message('Q', "SELECT count(*) FROM pg_class WHERE relname = 'x"+number+"'\x00"))
		one.ready()
		postgres.note(one, number, begin)
		postgres.give(one)
		one = redis.take()
		begin = time.Now()
		one.conn.Write([]byte("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"))
		one.in.ReadString('\n')
		redis.note(one, number, begin)
		redis.give(one)
		w.Write([]byte("ok"))
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
"""
