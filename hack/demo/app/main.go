// Command app is the demo's front, back and admin, and the small client that
// the demo's walk runs inside pods. Every answer is one JSON object that says
// who answered, and whom it saw.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  app front|back|admin            serve HTTP on :8080
  app get URL                     one request; prints status and body
  app load [rate=R] N CONCURRENCY URL   N requests; prints counts by status and version
  app query HOST:PORT             the rows that the database returns
  app raw HOST:PORT               what a plaintext TCP server says first`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.SetFlags(0)
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s", usage)
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "front" || verb == "back" || verb == "admin":
		return serve(ctx, verb)
	case verb == "get" && len(rest) == 1:
		return get(ctx, os.Stdout, rest[0])
	case verb == "load" && (len(rest) == 3 || len(rest) == 4):
		return load(ctx, os.Stdout, rest)
	case verb == "query" && len(rest) == 1:
		return printRows(ctx, os.Stdout, rest[0])
	case verb == "raw" && len(rest) == 1:
		return raw(ctx, os.Stdout, rest[0])
	default:
		return fmt.Errorf("%s", usage)
	}
}
