package controllers

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// atOnce is how many tests run at a time unless -parallel says: they mostly wait.
const atOnce = "4"

// idle are the API servers that no test uses now. Each test has one to itself.
var idle = make(chan *apiserver.Server, 100)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	close(idle)
	for server := range idle {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// takeServer gives an API server to a test until its end, with the operator's CRDs.
func takeServer(t *testing.T) *apiserver.Server {
	t.Helper()
	var server *apiserver.Server
	select {
	case server = <-idle:
	default:
		var err error
		if server, err = apiserver.Open(apiserver.WithAudit(), apiserver.WithCRDs("../charts/operator/crds")); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { idle <- server })
	return server
}
