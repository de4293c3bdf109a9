package main

import (
	"bufio"
	"fmt"
	"net"
	"sync"
)

// echo answers each line with the name of the pod. Close ends connections
// between two lines.
type echo struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (e *echo) serve(listener net.Listener, pod string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.conns[conn] = struct{}{}
		e.mu.Unlock()
		go func() {
			defer e.forget(conn)
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				fmt.Fprintln(conn, pod)
			}
		}()
	}
}

func (e *echo) forget(conn net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, conn)
	conn.Close() //nolint:errcheck // said all
}

// close ends what there is, as a server does that was told to end.
func (e *echo) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn := range e.conns {
		conn.(*net.TCPConn).CloseRead() //nolint:errcheck,forcetypeassert // what comes of a TCP listener
	}
}
