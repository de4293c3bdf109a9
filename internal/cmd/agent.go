package cmd

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/meshwright/meshwright/internal/agent"
	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/pod"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/version"
)

// Where things are in a pod; the injector and the gateway chart mount them.
const (
	envoyPath       = "/usr/local/bin/envoy"
	agentDir        = "/etc/istio/proxy"
	labelsFile      = "/etc/istio/pod/labels"
	annotationsFile = "/etc/istio/pod/annotations"
	tokenFile       = "/var/run/secrets/tokens/istio-token" //nolint:gosec // a path
	rootFile        = "/etc/meshwright/root/root-cert.pem"
)

// defaultConcurrency is Istio's: a sidecar should not take every core.
const defaultConcurrency = 2

type agentFlags struct {
	concurrency, drainSeconds int
	logLevel, rootFile        string
}

func agentCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "agent sidecar|router",
		Short: "Run Envoy in a pod, with its certificate, probes and metrics",
		Long: "agent is the main process of a sidecar or gateway container. It reads what the injector\n" +
			"and the charts set: POD_NAME, POD_NAMESPACE, INSTANCE_IP, SERVICE_ACCOUNT,\n" +
			"MESH_TRUST_DOMAIN, MESH_CLUSTER_ID, MESH_REVISION, DISCOVERY_ADDRESS, MESH_ROOT_CERT,\n" +
			"TERMINATION_GRACE_SECONDS,\n" +
			"ISTIO_KUBE_APP_PROBERS, ISTIO_PROMETHEUS_ANNOTATIONS.",
		ValidArgs: []string{string(bootstrap.Sidecar), string(bootstrap.Router)},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
	}
	var f agentFlags
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, "worker threads of Envoy (default $PROXY_CONCURRENCY or 2)")
	c.Flags().IntVar(&f.drainSeconds, "drain-seconds", 0, "longest wait for connections to end at shutdown (default 5 for a sidecar, 20 for a router)")
	c.Flags().StringVar(&f.logLevel, "log-level", "", "log level of Envoy (default $PROXY_LOG_LEVEL or warning)")
	c.Flags().StringVar(&f.rootFile, "root-cert-file", rootFile, "roots by which discovery is verified, beside $MESH_ROOT_CERT; need not exist")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := agentConfig(bootstrap.Role(args[0]), &f)
		if err != nil {
			return err
		}
		return agent.Run(logr.NewContext(c.Context(), zap.New()), *cfg)
	}
	return c
}

// agentConfig is what flags, environment and the downward API say.
func agentConfig(role bootstrap.Role, f *agentFlags) (*agent.Config, error) {
	labels, err := pod.ReadMap(labelsFile)
	if err != nil {
		return nil, err
	}
	annotations, err := pod.ReadMap(annotationsFile)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"POD_NAME", "POD_NAMESPACE", "INSTANCE_IP", "SERVICE_ACCOUNT", "DISCOVERY_ADDRESS"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("read environment: %s is not set", name)
		}
	}
	concurrency, err := agentConcurrency(f.concurrency)
	if err != nil {
		return nil, err
	}
	grace, err := agentGrace()
	if err != nil {
		return nil, err
	}
	name, namespace := os.Getenv("POD_NAME"), os.Getenv("POD_NAMESPACE")
	workload, owner := pod.Workload(name, namespace, labels)
	return &agent.Config{
		Bootstrap: bootstrap.Config{
			Role: role, Pod: name, Namespace: namespace, ServiceAccount: os.Getenv("SERVICE_ACCOUNT"),
			Workload: workload, Owner: owner, Labels: labels, Annotations: annotations,
			IP:            os.Getenv("INSTANCE_IP"),
			TrustDomain:   cmp.Or(os.Getenv("MESH_TRUST_DOMAIN"), spiffe.DefaultTrustDomain),
			ClusterID:     cmp.Or(os.Getenv("MESH_CLUSTER_ID"), "Kubernetes"),
			ClusterDomain: "cluster.local",
			Revision:      os.Getenv("MESH_REVISION"),
			Version:       version.String(),
			Discovery:     os.Getenv("DISCOVERY_ADDRESS"),
			Concurrency:   concurrency,
			Ports:         bootstrap.DefaultPorts(),
		},
		EnvoyPath: envoyPath, EnvoyLogLevel: cmp.Or(f.logLevel, os.Getenv("PROXY_LOG_LEVEL"), "warning"), Dir: agentDir,
		TokenFile: tokenFile, RootPEM: os.Getenv("MESH_ROOT_CERT"), RootFile: f.rootFile,
		Grace:   grace,
		Drain:   time.Duration(f.drainSeconds) * time.Second,
		Probers: os.Getenv("ISTIO_KUBE_APP_PROBERS"), Scrape: os.Getenv("ISTIO_PROMETHEUS_ANNOTATIONS"),
	}, nil
}

func agentConcurrency(flag int) (int, error) {
	if flag > 0 {
		return flag, nil
	}
	text := os.Getenv("PROXY_CONCURRENCY")
	if text == "" {
		return defaultConcurrency, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("read environment: PROXY_CONCURRENCY %q is not a number of threads", text)
	}
	return cmp.Or(n, defaultConcurrency), nil
}

// agentGrace is the pod's grace period, 0 where nobody says.
func agentGrace() (time.Duration, error) {
	text := os.Getenv("TERMINATION_GRACE_SECONDS")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("read environment: TERMINATION_GRACE_SECONDS %q is not a number of seconds", text)
	}
	return time.Duration(n) * time.Second, nil
}
