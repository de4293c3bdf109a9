package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// target is where changes go, and the server that serves them.
type target struct {
	// apply makes changes, in order, and returns once they are accepted.
	apply func(context.Context, []change) error
	// load makes many at once, in an order that is its own.
	load func(context.Context, []object) error
	// address is where the server answers delta ADS in plaintext.
	address string
	server  process
	// settings is what decided the figures, for the reader.
	settings string
	// restart ends the server and starts it again, with what it read; nil if it
	// cannot be.
	restart func(context.Context) error
	stop    func() error
}

// child is a server that the bench runs.
type child struct {
	command *exec.Cmd
	output  *os.File
	done    chan struct{}
	err     error
}

// stopPatience is how long a child may take to end by itself.
const stopPatience = 10 * time.Second

// startChild runs a program; what it says on standard error goes to log, or to a
// file that its failure names if log is nil.
func startChild(log io.Writer, command *exec.Cmd) (*child, error) {
	c := &child{command: command, done: make(chan struct{})}
	if command.Stderr = log; log == nil {
		var err error
		if c.output, err = os.CreateTemp("", "meshwright-bench-*.log"); err != nil {
			return nil, fmt.Errorf("create the server's log: %w", err)
		}
		command.Stderr = c.output
	}
	// A bench that is killed takes its server along. The kernel watches the
	// thread that starts it, so that one is kept.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			c.err = command.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return c, nil
}

// failure says how the child failed, nil while it runs or if it ended well.
func (c *child) failure() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	where := "above"
	if c.output != nil {
		where = "in " + c.output.Name()
	}
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("the server ended: %w; its last words are %s", c.err, where)
}

// stop ends the child by its process id and waits for it. A child that ended
// well by itself is no error.
func (c *child) stop() error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-c.done:
	case <-time.After(stopPatience):
		if err := c.command.Process.Kill(); err != nil {
			return fmt.Errorf("kill the server: %w", err)
		}
		<-c.done
	}
	if c.output != nil && c.err == nil {
		return errors.Join(c.output.Close(), os.Remove(c.output.Name()))
	}
	return c.failure()
}

// freeAddress is one on loopback that nobody listened to a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

const (
	// A server is up when it takes connections and its CPU rested for restFor.
	startPatience = 2 * time.Minute
	restFor       = 700 * time.Millisecond
	restPoll      = 100 * time.Millisecond
	// restShare is the share of one CPU that counts as rest.
	restShare = 0.05
)

// awaitRest waits until the server listens and is done with what it has.
// failed says why it never will, if it ended.
func awaitRest(ctx context.Context, address string, server process, failed func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var dialer net.Dialer
	rested, last := time.Duration(0), time.Duration(-1)
	for rested < restFor {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server at %s: %w", address, ctx.Err())
		case <-time.After(restPoll):
		}
		if err := failed(); err != nil {
			return err
		}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			rested = 0
			continue
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("try the server: %w", err)
		}
		now, err := server.usage()
		if err != nil {
			return err
		}
		rested += restPoll
		if last < 0 || float64(now.cpu-last) > restShare*float64(restPoll) {
			rested = 0
		}
		last = now.cpu
	}
	return nil
}
