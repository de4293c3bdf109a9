package node

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/meshwright/meshwright/hack/cluster/images"
)

//go:embed config
var config embed.FS

// writeFiles renders the configuration of the programs into the cluster's
// folder.
func (c Cluster) writeFiles(slot Slot) error {
	for source, target := range map[string]string{
		"containerd.toml": "containerd.toml",
		"cni.json":        "cni/pods.conflist",
		"kubelet.yaml":    "kubelet.yaml",
		"kube-proxy.yaml": "kube-proxy.yaml",
		"coredns.yaml":    "coredns.yaml",
	} {
		text, err := config.ReadFile("config/" + source)
		if err != nil {
			return fmt.Errorf("read %s: %w", source, err)
		}
		rendered, err := template.New(source).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return fmt.Errorf("parse %s: %w", source, err)
		}
		var out bytes.Buffer
		err = rendered.Execute(&out, map[string]any{
			"Dir": c.Dir, "NodeName": c.NodeName(), "Slot": slot, "Pause": images.PauseRef, "CoreDNS": images.CoreDNSRef,
		})
		if err != nil {
			return fmt.Errorf("render %s: %w", source, err)
		}
		path := c.path(target)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("create the folder of %s: %w", target, err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", target, err)
		}
	}
	return nil
}
