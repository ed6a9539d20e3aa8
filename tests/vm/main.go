// SPDX-License-Identifier: Apache-2.0

// A server that asks Redis in each request, from the goroutine that serves it, and writes down which connection it
// asked for which request: number, local port, how many times it was used before. And a client whose goroutines write
// their own requests. One static program: a VM of the matrix has a shell and no more.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

type link struct {
	conn net.Conn
	in   *bufio.Reader
	used int
}

var mutex sync.Mutex
var free []*link

func take(port string) *link {
	mutex.Lock()
	defer mutex.Unlock()
	if n := len(free); n > 0 {
		one := free[n-1]
		free = free[:n-1]
		return one
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	return &link{conn: conn, in: bufio.NewReader(conn)}
}

func serve(port, redis string) {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		one := take(redis)
		mutex.Lock()
		fmt.Printf("%s %d %d\n", r.URL.Path[len("/r/"):], one.conn.LocalAddr().(*net.TCPAddr).Port, one.used)
		mutex.Unlock()
		one.used++
		one.conn.Write([]byte("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"))
		one.in.ReadString('\n')
		mutex.Lock()
		free = append(free, one)
		mutex.Unlock()
		w.Write([]byte("ok"))
	})
	panic(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
	}
	threads, _ := strconv.Atoi(os.Args[3])
	count, _ := strconv.Atoi(os.Args[4])
	first, _ := strconv.Atoi(os.Args[5])
	var wait sync.WaitGroup
	for i := 0; i < threads; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			var conn net.Conn
			var err error
			for try := 0; try < 100; try++ {
				if conn, err = net.Dial("tcp", "127.0.0.1:"+os.Args[2]); err == nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			in := bufio.NewReader(conn)
			for j := 0; j < count; j++ {
				fmt.Fprintf(conn, "GET /r/%d HTTP/1.1\r\nHost: vm\r\n\r\n", first+i*count+j)
				answer, err := http.ReadResponse(in, nil)
				if err != nil {
					panic(err)
				}
				io.Copy(io.Discard, answer.Body)
			}
		}(i)
	}
	wait.Wait()
}
