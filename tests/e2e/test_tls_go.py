# SPDX-License-Identifier: Apache-2.0
"""Go's crypto/tls, in every Go executable: the right connection and exact counts, with symbols and without."""

import os
import subprocess

import pytest

from http_lab import tool, total, wait_until
from test_tls import fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import
from test_tls_peers import CONNECTIONS, REQUESTS, SERVERS, assert_peers, free_ports

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PROGRAM = """
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

func serve(name, address, certificate, key string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
	none := map[string]func(*http.Server, *tls.Conn, http.Handler){}
	server := &http.Server{Addr: address, Handler: handler, TLSNextProto: none}
	panic(server.ListenAndServeTLS(certificate, key))
}

func talk(index, requests int, ports []string, wait *sync.WaitGroup) {
	defer wait.Done()
	number := index % len(ports)
	name := "name-" + strconv.Itoa(number)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: transport}
	for i := 0; i < requests; i++ {
		request, _ := http.NewRequest("GET", "https://127.0.0.1:"+ports[number]+"/x", nil)
		request.Host = name
		answer, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(body) != name {
			panic(string(body))
		}
	}
	transport.CloseIdleConnections()
}

func main() {
	if os.Args[1] == "serve" {
		for number, port := range os.Args[4:] {
			go serve("name-"+strconv.Itoa(number), "127.0.0.1:"+port, os.Args[3], os.Args[2])
		}
		select {}
	}
	count, _ := strconv.Atoi(os.Args[2])
	requests, _ := strconv.Atoi(os.Args[3])
	var wait sync.WaitGroup
	for i := 0; i < count; i++ {
		wait.Add(1)
		go talk(i, requests, os.Args[4:], &wait)
	}
	wait.Wait()
}
"""


def exercise(lab, certificate, flags=(), environment=None):
    """Goroutines that move between threads, 200 keep-alive connections at once."""
    lab.file("main.go", PROGRAM)
    program = os.path.join(lab.folder, "program")
    subprocess.run([tool("go"), "build", *flags, "-o", program, "main.go"], check=True, cwd=lab.folder,
                   env={**os.environ, "GO111MODULE": "off", **(environment or {})})
    ports = free_ports(SERVERS)
    files = total(lab.agent.samples(), "sonde_tls_files")
    lab.start([program, "serve", *certificate, *map(str, ports)], "servers", ports[-1])
    # The client is the same file: what it says before the file is hooked is not seen.
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_files") > files, 10, "the program to be hooked")
    lab.run([program, "talk", str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)


@pytest.mark.parametrize("flags", [[], ["-ldflags", "-s -w"], ["-buildmode=pie"]], ids=["symbols", "stripped", "pie"])
def test_go(lab, certificate, flags):
    exercise(lab, certificate, flags)
