package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Tally is what load prints when it ends.
type Tally struct {
	// Sent is the number of calls, Lost those of them without a right answer.
	Sent int `json:"sent"`
	Lost int `json:"lost"`
	// Moved counts streams and kept connections that the server ended in good
	// order: the call went on with another.
	Moved int `json:"moved"`
	// Pods has the answers by who gave them.
	Pods map[string]int `json:"pods"`
	// Errors has the reasons of lost calls, with how often.
	Errors map[string]int `json:"errors,omitempty"`
	// Slowest is the longest that a call took.
	Slowest time.Duration `json:"slowest"`
}

// errMoved is told of a stream or connection that the server ended in good order.
var errMoved = errors.New("the server ended the connection in good order")

// caller makes one call after the other; it answers with the pod that did. It
// is used by one goroutine.
type caller interface {
	call(ctx context.Context) (pod string, err error)
}

// callers are the ways of load, by name.
var callers = map[string]func(address string) caller{
	"http":   func(address string) caller { return newHTTPCaller(address, false) },
	"fresh":  func(address string) caller { return newHTTPCaller(address, true) },
	"grpc":   func(address string) caller { return newGRPCCaller(address) },
	"stream": func(address string) caller { return &streamCaller{address: address} },
	"tcp":    func(address string) caller { return &tcpCaller{address: address} },
	"kept":   func(address string) caller { return &tcpCaller{address: address, keep: true} },
}

// load calls an address at a steady rate and prints a tally.
func load(args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	way := flags.String("way", "http", "http, fresh (a connection for each), grpc, stream, tcp, kept")
	rate := flags.Int("rate", 50, "calls a second, of all callers together")
	width := flags.Int("callers", 10, "callers, each with connections of its own")
	length := flags.Duration("for", 10*time.Second, "how long")
	held := flags.Bool("held", false, "end when standard input does, if that is sooner")
	timeout := flags.Duration("timeout", 15*time.Second, "for each call")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start := callers[*way]
	if start == nil || *rate < 1 || *width < 1 || *length > 15*time.Minute {
		return fmt.Errorf("want a way of load, and a rate, callers and time within reason")
	}
	tally := &tally{Tally: Tally{Pods: map[string]int{}, Errors: map[string]int{}}}
	var group sync.WaitGroup
	every := time.Second * time.Duration(*width) / time.Duration(*rate)
	begin := time.Now()
	ctx, end := context.WithDeadline(context.Background(), begin.Add(*length))
	defer end()
	if *held {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			end()
		}()
	}
	for i := range *width {
		group.Go(func() {
			c := start(flags.Arg(0))
			first := begin.Add(every * time.Duration(i) / time.Duration(*width))
			for at := first; waited(ctx, at); at = at.Add(every) {
				tally.add(c, *timeout)
			}
		})
	}
	group.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(&tally.Tally); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// waited reports whether a time came before the context ended.
func waited(ctx context.Context, at time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(at)):
		return ctx.Err() == nil
	}
}

// tally is a Tally that callers share.
type tally struct {
	sync.Mutex
	Tally
}

// add makes one call. One that met the end of its connection is made again.
func (t *tally) add(c caller, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	begin, moved := time.Now(), 0
	pod, err := c.call(ctx)
	for errors.Is(err, errMoved) && ctx.Err() == nil {
		moved++
		pod, err = c.call(ctx)
	}
	t.Lock()
	defer t.Unlock()
	t.Sent++
	t.Moved += moved
	t.Slowest = max(t.Slowest, time.Since(begin))
	if err != nil {
		t.Lost++
		t.Errors[err.Error()]++
		return
	}
	t.Pods[pod]++
}
