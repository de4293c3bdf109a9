package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// tcpCaller sends a line and wants one back: over a connection for each, or
// over one that it keeps.
type tcpCaller struct {
	address string
	keep    bool
	conn    net.Conn
	lines   *bufio.Reader
}

func (c *tcpCaller) call(ctx context.Context) (string, error) {
	used := c.conn != nil
	if !used {
		var err error
		if c.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.address); err != nil {
			c.conn = nil
			return "", cause(err)
		}
		c.lines = bufio.NewReader(c.conn)
	}
	line, err := c.echo(ctx)
	if err != nil || !c.keep {
		c.conn.Close() //nolint:errcheck // no longer needed
		c.conn = nil
	}
	switch {
	case used && errors.Is(err, io.EOF):
		return "", errMoved
	case err != nil:
		return "", cause(err)
	}
	return line, nil
}

func (c *tcpCaller) echo(ctx context.Context) (string, error) {
	if end, ok := ctx.Deadline(); ok {
		if err := c.conn.SetDeadline(end); err != nil {
			return "", err
		}
	}
	if _, err := fmt.Fprintln(c.conn, "hello"); err != nil {
		return "", err
	}
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}
