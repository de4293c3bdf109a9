package xds

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// Listener keeps the connections of l, so that the server can end one: a client
// whose stream ends opens the next on the connection that it has.
func (s *Server) Listener(l net.Listener) net.Listener { return &listener{Listener: l, open: &s.open} }

type listener struct {
	net.Listener
	open *sync.Map // net.Conn by the text of its remote address
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, open: l.open}
	l.open.Store(raw.RemoteAddr().String(), c)
	return c, nil
}

type conn struct {
	net.Conn
	open *sync.Map
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.open.CompareAndDelete(c.RemoteAddr().String(), c)
	return c.Conn.Close()
}

// disconnect ends the connection of a call.
func (s *Server) disconnect(ctx context.Context) {
	caller, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	if c, ok := s.open.Load(caller.Addr.String()); ok {
		_ = c.(net.Conn).Close() // it may have ended
	}
}
