package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const patience = 3 * time.Minute

func (w *walk) steps() []step {
	return []step{
		{"Install Istio's CRDs and the operator", w.installOperator},
		{"One MeshInstall becomes a mesh", w.installMesh},
		{"Deploy the shop: front, back in two versions, db", w.deployShop},
		{"Through the ingress gateway: front → back → db", w.throughIngress},
		{"Who called? Mutual TLS, and a stranger is refused", w.identity},
		{"The database speaks first, and rows come back", w.serverFirst},
		{"90/10 between two versions, over 1,000 requests", w.split},
		{"/admin goes to another service", w.admin},
		{"A pod is added: how long until it gets traffic", w.scaleUp},
		{"The control plane is away, and nobody notices", w.controlPlaneAway},
		{"Every proxy is in sync, none refused anything", w.proxies},
		{"The listeners of a live Envoy", w.listeners},
	}
}

func (w *walk) installOperator(ctx context.Context) (string, error) {
	if _, err := w.kubectl.out(ctx, "apply", "--server-side", "--force-conflicts", "-f", w.istioCRDs); err != nil {
		return "", err
	}
	if _, err := w.kubectl.out(ctx, "apply", "--server-side", "--force-conflicts", "-k", w.operator); err != nil {
		return "", err
	}
	if _, err := w.kubectl.out(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"); err != nil {
		return "", err
	}
	return w.kubectl.out(ctx, "-n", "meshwright-operator", "rollout", "status", "deployment", "--timeout=180s")
}

func (w *walk) installMesh(ctx context.Context) (string, error) {
	return w.installMeshFrom(ctx, "10-mesh.yaml")
}

func (w *walk) installMeshFrom(ctx context.Context, name string) (string, error) {
	file := filepath.Join(w.manifests, name)
	if _, err := w.kubectl.out(ctx, "apply", "-f", file); err != nil {
		return "", err
	}
	if out, err := w.kubectl.out(ctx, "wait", "meshinstall/demo", "--for=condition=Ready", "--timeout=180s"); err != nil {
		status, _ := w.kubectl.out(ctx, "get", "meshinstall/demo", "-o", "yaml")
		return out + "\n" + status, err
	}
	return w.kubectl.out(ctx, "get", "meshinstall,meshrevision")
}

func (w *walk) deployShop(ctx context.Context) (string, error) {
	for _, name := range []string{"20-shop.yaml", "30-routes.yaml"} {
		if _, err := w.kubectl.out(ctx, "apply", "-f", filepath.Join(w.manifests, name)); err != nil {
			return "", err
		}
	}
	for _, ns := range []string{"shop", "outside"} {
		if _, err := w.kubectl.out(ctx, "-n", ns, "wait", "deployment", "--all", "--for=condition=Available", "--timeout=180s"); err != nil {
			pods, _ := w.kubectl.out(ctx, "-n", ns, "get", "pods", "-o", "wide")
			return pods, err
		}
	}
	return w.kubectl.out(ctx, "-n", "shop", "get", "pods,services")
}

// findIngress learns where the ingress gateway can be reached from here.
func (w *walk) findIngress(ctx context.Context) error {
	node, err := w.kubectl.out(ctx, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return err
	}
	addresses := strings.Fields(node)
	if len(addresses) == 0 {
		return fmt.Errorf("the node has no InternalIP")
	}
	text, err := w.kubectl.out(ctx, "-n", "mesh-ingress", "get", "service", "-l", "istio=ingressgateway", "-o", "json")
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Spec struct {
				Ports []struct{ Port, NodePort int }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return err
	}
	for _, svc := range list.Items {
		for _, p := range svc.Spec.Ports {
			if p.Port == 80 && p.NodePort != 0 {
				w.ingress = fmt.Sprintf("http://%s:%d", addresses[0], p.NodePort)
				return nil
			}
		}
	}
	return fmt.Errorf("no Service with label istio=ingressgateway has a node port for port 80")
}
