package cmd

import (
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
)

// podEnv is what injector and charts set at least.
var podEnv = map[string]string{
	"POD_NAME": "back-1", "POD_NAMESPACE": "shop", "INSTANCE_IP": "10.1.2.3", "SERVICE_ACCOUNT": "back",
	"DISCOVERY_ADDRESS": "meshwright-discovery.mesh-system.svc:15012",
}

func TestAgentConfig(t *testing.T) {
	for name, value := range podEnv {
		t.Setenv(name, value)
	}
	cfg, err := agentConfig(bootstrap.Sidecar, &agentFlags{rootFile: rootFile})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Bootstrap.TrustDomain+" "+cfg.Bootstrap.ClusterID+" "+cfg.EnvoyLogLevel, "cluster.local Kubernetes warning"; got != want {
		t.Errorf("defaults are %s, want %s", got, want)
	}
	if cfg.Bootstrap.Concurrency != 2 {
		t.Errorf("%d threads by default, want 2", cfg.Bootstrap.Concurrency)
	}
	cfg.Bootstrap.SDSSocket = "/sds.sock"
	if _, err := bootstrap.JSON(cfg.Bootstrap); err != nil {
		t.Error(err)
	}
	t.Setenv("PROXY_CONCURRENCY", "4")
	t.Setenv("PROXY_LOG_LEVEL", "debug")
	if cfg, err = agentConfig(bootstrap.Router, &agentFlags{}); err != nil || cfg.Bootstrap.Concurrency != 4 || cfg.EnvoyLogLevel != "debug" {
		t.Errorf("the environment does not count: %+v, %v", cfg, err)
	}
	if cfg, err = agentConfig(bootstrap.Router, &agentFlags{concurrency: 8, logLevel: "info"}); err != nil || cfg.Bootstrap.Concurrency != 8 || cfg.EnvoyLogLevel != "info" {
		t.Errorf("flags do not win: %+v, %v", cfg, err)
	}
}

func TestAgentConfigSaysWhatIsMissing(t *testing.T) {
	for missing := range podEnv {
		t.Run(missing, func(t *testing.T) {
			for name, value := range podEnv {
				t.Setenv(name, value)
			}
			t.Setenv(missing, "")
			if _, err := agentConfig(bootstrap.Sidecar, &agentFlags{}); err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("error %v, want one that names %s", err, missing)
			}
		})
	}
	t.Run("a concurrency that is none", func(t *testing.T) {
		for name, value := range podEnv {
			t.Setenv(name, value)
		}
		t.Setenv("PROXY_CONCURRENCY", "all")
		if _, err := agentConfig(bootstrap.Sidecar, &agentFlags{}); err == nil || !strings.Contains(err.Error(), "all") {
			t.Errorf("error is %v", err)
		}
	})
}
