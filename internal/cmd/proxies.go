package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/xds/cache"
	"github.com/meshwright/meshwright/internal/xds/report"
)

// proxiesTimeout bounds all that meshwright proxies does.
const proxiesTimeout = 30 * time.Second

// proxiesOptions are the flags of meshwright proxies.
type proxiesOptions struct {
	kubeconfig    string
	kubeContext   string
	meshNamespace string
	install       string
	namespace     string
	allNamespaces bool
	address       string
	output        string
}

// proxyRow is a proxy as -o json and -o yaml print it.
type proxyRow struct {
	Name           string `json:"name"`
	Namespace      string `json:"namespace"`
	Type           string `json:"type"`
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Synced: all that was built for it is sent and accepted, nothing is refused.
	Synced bool `json:"synced"`
	// Nacks counts what it refused since it connected.
	Nacks int `json:"nacks"`
	// Revision and Discovery say which pod it is connected to; they are empty
	// with --address.
	Revision  string            `json:"revision,omitempty"`
	Discovery string            `json:"discovery,omitempty"`
	Connected time.Time         `json:"connected"`
	ID        string            `json:"id"`
	Types     []cache.TypeState `json:"types"`
}

// proxyList is what -o json and -o yaml print.
type proxyList struct {
	Items []proxyRow `json:"items"`
}

func proxiesCommand() *cobra.Command {
	var o proxiesOptions
	c := &cobra.Command{
		Use:   "proxies [POD[.NAMESPACE]]...",
		Short: "Show the proxies that are connected, and whether they are in sync",
		Long: `Asks every discovery pod which proxies are connected to it and how far each is:

  SYNCED    all that was built for it is sent and accepted
  STALE 3s  something is still to be sent, or was sent that long ago without an answer
  NACK      it refused something and goes on with what it had; -o wide says why
  -         it does not ask for that type

It reaches the pods by port-forward, with a token of the ServiceAccount
meshwright-debug in their namespace: who may list pods, create pods/portforward
and create serviceaccounts/token there may look. With --address it asks one
discovery on this machine that serves without authentication instead.`,
		Example: `  meshwright proxies
  meshwright proxies front-7d9c.shop -o wide
  meshwright proxies -n shop -o json
  meshwright proxies --install blue`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), c.OutOrStdout(), args) },
	}
	s := c.Flags()
	s.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; none means kubectl's own choice")
	s.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig")
	s.StringVar(&o.meshNamespace, "mesh-namespace", "", "namespace of the discovery pods to ask; none means all")
	s.StringVar(&o.install, "install", "", "name of the MeshInstall whose discovery pods to ask; none means all")
	s.StringVarP(&o.namespace, "namespace", "n", "", "show only proxies of this namespace")
	s.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "show proxies of all namespaces, as without -n")
	s.StringVar(&o.address, "address", "", "loopback address of a discovery without authentication, as 127.0.0.1:15014")
	s.StringVarP(&o.output, "output", "o", "", "wide, json or yaml")
	c.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	return c
}

func (o *proxiesOptions) run(ctx context.Context, out io.Writer, names []string) error {
	if !slices.Contains([]string{"", "wide", "json", "yaml"}, o.output) {
		return fmt.Errorf("output %q is not known: give wide, json or yaml", o.output)
	}
	ctx, cancel := context.WithTimeout(ctx, proxiesTimeout)
	defer cancel()
	rows, err := o.read(ctx)
	if err != nil && len(rows) == 0 {
		return err
	}
	rows = newest(rows)
	// What one pod cannot tell does not hide what the others do.
	for _, name := range names {
		if !slices.ContainsFunc(rows, func(r proxyRow) bool { return o.shows(r, []string{name}) }) {
			err = errors.Join(err, fmt.Errorf("no proxy of pod %s is connected", name))
		}
	}
	rows = slices.DeleteFunc(rows, func(r proxyRow) bool { return !o.shows(r, names) })
	if len(rows) == 0 && err != nil {
		return err
	}
	return errors.Join(printProxies(out, o.output, rows, time.Now()), err)
}

func (o *proxiesOptions) read(ctx context.Context) ([]proxyRow, error) {
	if o.address == "" {
		return o.readCluster(ctx)
	}
	if err := onlyLoopback(o.address); err != nil {
		return nil, err
	}
	rows, err := readProxies(ctx, o.address, "")
	if err != nil {
		return nil, fmt.Errorf("%w (a meshwright discovery must run there without --secure-address; its --http-address says where)", err)
	}
	return rows, nil
}

// readProxies asks one discovery. token may be empty.
func readProxies(ctx context.Context, address, token string) ([]proxyRow, error) {
	told, err := report.Read(ctx, address, token)
	if err != nil {
		return nil, err
	}
	rows := make([]proxyRow, len(told.Proxies))
	for i, p := range told.Proxies {
		rows[i] = proxyRow{
			Name: p.Pod, Namespace: p.Namespace, Type: p.Type, ServiceAccount: p.ServiceAccount,
			Synced: p.InSync, Connected: p.Connected, ID: p.ID, Types: p.Types,
		}
		for _, t := range p.Types {
			rows[i].Nacks += t.Nacks
		}
	}
	return rows, nil
}

// newest sorts rows by namespace and name and keeps one of each proxy: a stream
// that broke may live on for a while in the pod that it was connected to.
func newest(rows []proxyRow) []proxyRow {
	slices.SortFunc(rows, func(a, b proxyRow) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID), b.Connected.Compare(a.Connected))
	})
	return slices.CompactFunc(rows, func(a, b proxyRow) bool { return a.ID == b.ID })
}

// shows reports whether the user asked for this row.
func (o *proxiesOptions) shows(r proxyRow, names []string) bool {
	if o.namespace != "" && r.Namespace != o.namespace {
		return false
	}
	return len(names) == 0 || slices.Contains(names, r.Name) || slices.Contains(names, r.Name+"."+r.Namespace)
}
