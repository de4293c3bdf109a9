// Command app is the workload of end-to-end tests: a server that tells what
// reached it, and a client that tells what it got. One static program, so that
// one image is both.
//
//	app serve              answers HTTP on 8080, gRPC on 8081, greets TCP clients on 9000, echoes lines on 9001
//	app get [-n N] [-H 'Name: value'] URL
//	app load [-way grpc] [-rate N] [-for 10s] ADDRESS   counts calls that were lost
//	app greet ADDRESS      prints the first line that a TCP server sends
//	app listening          prints the TCP ports that are listened on, in its network
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want serve, get, load, greet or listening")
	}
	switch args[0] {
	case "serve":
		return serve()
	case "get":
		return get(args[1:])
	case "load":
		return load(args[1:])
	case "greet":
		return greet(args[1:])
	case "listening":
		return listening()
	default:
		return fmt.Errorf("no command %q: want serve, get, load, greet or listening", args[0])
	}
}
