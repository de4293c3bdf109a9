package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
)

// line is what the bench tells its engine process, and batch what it hands over
// at once.
type line struct {
	Deleted bool            `json:"deleted,omitempty"`
	Object  json.RawMessage `json:"object"`
}

type batch struct {
	Lines []line `json:"lines"`
	// Synced says that the mesh is whole.
	Synced bool `json:"synced,omitempty"`
}

// serve is the engine process: it reads batches from in, answers each on out
// with a line, and serves what they say. The first line on out is its address.
// It ends with its input.
func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	engine := push.New(push.Config{
		Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf,
		Types: translate.Types(), Log: logr.Discard(),
	})
	ads := xds.New(xds.Config{Engine: engine, Log: logr.Discard()})
	server := grpc.NewServer(xds.Options()...)
	ads.Register(server)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(listener) }()
	go func() { ended <- engine.Run(ctx) }()
	engine.Apply([]mesh.Change{{Key: mesh.ConfigKey, Value: &mesh.Config{
		TrustDomain: domain, ClusterID: clusterID, ClusterDomain: domain, RootNamespace: rootNamespace,
		MTLS: mesh.MTLSPermissive, OutboundAllowAny: true,
	}}})
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return fmt.Errorf("say the address: %w", err)
	}
	err = follow(in, out, engine)
	ads.Close()
	server.Stop()
	cancel()
	return errors.Join(err, <-ended, <-ended)
}

// follow gives the engine what comes in.
func follow(in io.Reader, out io.Writer, engine *push.Engine) error {
	read := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	for {
		var b batch
		if err := read.Decode(&b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		changes := make([]mesh.Change, 0, len(b.Lines))
		for _, l := range b.Lines {
			c, known, err := ingested(l)
			if err != nil {
				return err
			}
			if known {
				changes = append(changes, c)
			}
		}
		engine.Apply(changes)
		if b.Synced {
			engine.Synced()
		}
		if _, err := fmt.Fprintln(out, "ok"); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// ingested is what a line means; known is false for a kind that the mesh does
// not read. A problem of the object is an error: the bench makes none.
func ingested(l line) (out mesh.Change, known bool, err error) {
	typed, _, err := scheme.Codecs.UniversalDeserializer().Decode(l.Object, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		typed, _, err = unstructured.UnstructuredJSONScheme.Decode(l.Object, nil, nil)
	}
	if err != nil {
		return out, false, fmt.Errorf("read an object: %w", err)
	}
	result, known := ingest.Object(domain, typed)
	if len(result.Problems) > 0 {
		return out, false, fmt.Errorf("%s: %s: %s", result.Key, result.Problems[0].Field, result.Problems[0].Message)
	}
	out = mesh.Change{Key: result.Key, Value: result.Value}
	if l.Deleted {
		out.Value = nil
	}
	return out, known, nil
}

// engineProcess is the bench's end of the pipes to its engine process.
type engineProcess struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// serveCommand is the hidden subcommand that is the engine process.
const serveCommand = "serve"

// engineTarget starts this program again as a server that is told of changes
// through a pipe: no API server, no watch.
func engineTarget(ctx context.Context, log io.Writer, m *meshOf) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the bench's own program: %w", err)
	}
	command := exec.Command(self, serveCommand) //nolint:gosec,noctx // this program; ends with its input
	e := &engineProcess{}
	if e.in, err = command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	e.out = bufio.NewReader(out)
	server, err := startChild(log, command)
	if err != nil {
		return nil, err
	}
	t := &target{
		apply: func(_ context.Context, c []change) error { return e.tell(c, false) },
		load:  func(_ context.Context, objects []object) error { return e.tell(all(objects), true) },
		stop:  func() error { return errors.Join(e.in.Close(), server.stop()) }, server: process(command.Process.Pid),
		settings: "objects, ingest, engine and ADS in one process; no API server, no watch",
	}
	if t.address, err = e.read(); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	if err := t.load(ctx, m.objects()); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	if err := awaitRest(ctx, t.address, t.server, server.failure); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	return t, nil
}

func all(objects []object) []change {
	var out []change
	for _, o := range objects {
		out = append(out, change{object: o})
	}
	return out
}

// tell hands over changes and waits until the engine has them.
func (e *engineProcess) tell(changes []change, synced bool) error {
	b := batch{Synced: synced}
	for _, c := range changes {
		text, err := json.Marshal(c.object)
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", name(c.object), err)
		}
		b.Lines = append(b.Lines, line{Deleted: c.deleted, Object: text})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := json.NewEncoder(e.in).Encode(b); err != nil {
		return fmt.Errorf("tell the server of changes: %w", err)
	}
	_, err := e.read()
	return err
}

func (e *engineProcess) read() (string, error) {
	text, err := e.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("hear from the server: %w", err)
	}
	return text[:len(text)-1], nil
}
