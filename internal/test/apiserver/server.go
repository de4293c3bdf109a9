package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// timeout bounds the start and the stop of each program; it is long because the
// machine may be building at the same time.
const timeout = 2 * time.Minute

// Server is a running API server. It may be used concurrently.
type Server struct {
	// Config connects as a member of system:masters. Copy it before a change.
	Config *rest.Config
	// Kubeconfig is the path of a file that connects as Config does.
	Kubeconfig string

	environment envtest.Environment
	dir         string
	auditLog    string
}

// Start runs a server until the test ends. Where many tests of a package can
// share one, Main is cheaper.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	server, err := start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Open runs a server for a program that is no test. The caller must Close it.
func Open(options ...Option) (*Server, error) { return start(options) }

// Close stops a server that Open gave.
func (s *Server) Close() error { return s.stop() }

// Main runs a package's tests with one shared server, and stops it:
//
//	var server *apiserver.Server
//
//	func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, &server)) }
//
// The result is the exit code of the tests.
func Main(m *testing.M, shared **Server, options ...Option) int {
	server, err := start(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*shared = server
	code := m.Run()
	if err := server.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func start(options []Option) (_ *Server, err error) {
	dir, err := os.MkdirTemp("", "meshwright-apiserver-")
	if err != nil {
		return nil, fmt.Errorf("create a folder for the API server: %w", err)
	}
	server := &Server{dir: dir, auditLog: filepath.Join(dir, "audit.log"), Kubeconfig: filepath.Join(dir, "kubeconfig")}
	defer func() {
		if err != nil {
			err = errors.Join(err, server.stop())
		}
	}()
	environment := &server.environment
	environment.ControlPlaneStartTimeout = timeout
	environment.ControlPlaneStopTimeout = timeout
	environment.ErrorIfCRDPathMissing = true
	environment.CRDInstallOptions.MaxTime = timeout
	control := &environment.ControlPlane
	control.Etcd = &envtest.Etcd{}
	if control.Etcd.Path, err = server.program("etcd"); err != nil {
		return nil, err
	}
	apiServer := control.GetAPIServer()
	if apiServer.Path, err = server.program("kube-apiserver"); err != nil {
		return nil, err
	}
	if control.KubectlPath, err = assets.Find("kubectl"); err != nil {
		return nil, err
	}
	for _, option := range options {
		if err := option(server); err != nil {
			return nil, err
		}
	}
	if server.Config, err = environment.Start(); err != nil {
		return nil, fmt.Errorf("start the API server: %w", err)
	}
	if err := os.WriteFile(server.Kubeconfig, environment.KubeConfig, 0o600); err != nil {
		return nil, fmt.Errorf("write the kubeconfig: %w", err)
	}
	return server, nil
}

// stop ends the programs by their process ids and waits for them. It may be
// called on a server that did not start whole.
func (s *Server) stop() error {
	err := s.environment.Stop()
	if err != nil {
		err = fmt.Errorf("stop the API server: %w", err)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// InstallCRDs creates the custom resources in files and folders of YAML, and
// waits until they are served.
func (s *Server) InstallCRDs(paths ...string) error {
	_, err := envtest.InstallCRDs(s.Config, envtest.CRDInstallOptions{
		Paths: paths, ErrorIfPathMissing: true, MaxTime: timeout,
	})
	if err != nil {
		return fmt.Errorf("install CRDs: %w", err)
	}
	return nil
}

// Option changes a server before it starts.
type Option func(*Server) error

// WithCRDs installs the custom resources in files and folders of YAML.
func WithCRDs(paths ...string) Option {
	return func(s *Server) error {
		s.environment.CRDDirectoryPaths = append(s.environment.CRDDirectoryPaths, paths...)
		return nil
	}
}

// WithCRDObjects installs custom resources.
func WithCRDObjects(crds ...*apiextensionsv1.CustomResourceDefinition) Option {
	return func(s *Server) error {
		s.environment.CRDs = append(s.environment.CRDs, crds...)
		return nil
	}
}

// WithIstioCRDs installs every kind of Istio's APIs.
func WithIstioCRDs() Option {
	return func(s *Server) error {
		path, err := IstioCRDs()
		if err != nil {
			return err
		}
		return WithCRDs(path)(s)
	}
}

// WithFlag sets a flag of kube-apiserver, named without its dashes.
func WithFlag(name string, values ...string) Option {
	return func(s *Server) error {
		s.environment.ControlPlane.GetAPIServer().Configure().Set(name, values...)
		return nil
	}
}
