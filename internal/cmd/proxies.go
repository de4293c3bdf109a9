package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// proxiesOptions are the flags of meshwright proxies.
type proxiesOptions struct {
	kubeconfig  string
	kubeContext string
	namespace   string
	address     string
	output      string
}

// proxyRow is a proxy and the discovery pod that it is connected to.
type proxyRow struct {
	cache.ProxyState
	Discovery string `json:"discovery,omitempty"`
}

// proxyList is what -o json and -o yaml print.
type proxyList struct {
	Proxies []proxyRow `json:"proxies"`
}

func proxiesCommand() *cobra.Command {
	var o proxiesOptions
	c := &cobra.Command{
		Use:   "proxies [POD[.NAMESPACE]]...",
		Short: "Show the proxies that are connected, and whether they are in sync",
		Long: `Asks every discovery pod of the mesh which proxies are connected to it and how
far each is with each type of resource:

  SYNCED    all that was built for it is sent and accepted
  PENDING   something is to be sent, or waits for an answer
  REJECTED  it refused some; -o yaml shows which and why
  -         it does not ask for that type

It reaches the pods by port-forward and asks for a token of the ServiceAccount
meshwright-debug in their namespace, so it needs the rights to do both. With
--address it asks one plain loopback address instead.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), c.OutOrStdout(), args) },
	}
	s := c.Flags()
	s.StringVar(&o.kubeconfig, "kubeconfig", "", "file to connect with (default $KUBECONFIG or ~/.kube/config)")
	s.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig to use")
	s.StringVarP(&o.namespace, "namespace", "n", "", "show only proxies of this namespace")
	s.StringVar(&o.address, "address", "", "address of a discovery that runs here without authentication, as 127.0.0.1:15014")
	s.StringVarP(&o.output, "output", "o", "", "wide, json or yaml")
	return c
}

func (o *proxiesOptions) run(ctx context.Context, out io.Writer, names []string) error {
	if !slices.Contains([]string{"", "wide", "json", "yaml"}, o.output) {
		return fmt.Errorf("output %q is not known: give wide, json or yaml", o.output)
	}
	rows, err := o.read(ctx)
	if err != nil && len(rows) == 0 {
		return err
	}
	return errors.Join(o.print(out, rows, names), err)
}

func (o *proxiesOptions) print(out io.Writer, rows []proxyRow, names []string) error {
	rows = slices.DeleteFunc(rows, func(r proxyRow) bool { return !o.shows(r, names) })
	slices.SortFunc(rows, func(a, b proxyRow) int { return strings.Compare(a.Namespace+"/"+a.Pod, b.Namespace+"/"+b.Pod) })
	switch o.output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(proxyList{rows})
	case "yaml":
		text, err := yaml.Marshal(proxyList{rows})
		if err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		_, err = out.Write(text)
		return err
	}
	return printProxies(out, rows, o.output == "wide", time.Now())
}

func (o *proxiesOptions) read(ctx context.Context) ([]proxyRow, error) {
	if o.address == "" {
		return o.readCluster(ctx)
	}
	if err := onlyLoopback(o.address); err != nil {
		return nil, err
	}
	return readProxies(ctx, o.address, "", "")
}

// readProxies asks one discovery. token may be empty.
func readProxies(ctx context.Context, address, token, pod string) ([]proxyRow, error) {
	url := "http://" + address + xds.DebugPath
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask discovery: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return nil, fmt.Errorf("ask discovery: %s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	var report xds.Report
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("read the answer of discovery: %w", err)
	}
	rows := make([]proxyRow, len(report.Proxies))
	for i, p := range report.Proxies {
		rows[i] = proxyRow{ProxyState: p, Discovery: pod}
	}
	return rows, nil
}

// shows reports whether the user asked for this row.
func (o *proxiesOptions) shows(r proxyRow, names []string) bool {
	if o.namespace != "" && r.Namespace != o.namespace {
		return false
	}
	return len(names) == 0 || slices.Contains(names, r.Pod) || slices.Contains(names, r.Pod+"."+r.Namespace)
}

// proxyColumns are the types of the table, by the names that people know.
var proxyColumns = []struct {
	title string
	url   resource.TypeURL
}{
	{"CDS", resource.Cluster},
	{"EDS", resource.Endpoints},
	{"LDS", resource.Listener},
	{"RDS", resource.Route},
	{"VHDS", resource.VirtualHost},
}

func printProxies(out io.Writer, rows []proxyRow, wide bool, now time.Time) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "No proxies are connected.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	titles := []string{"NAMESPACE", "NAME", "TYPE"}
	for _, c := range proxyColumns {
		titles = append(titles, c.title)
	}
	titles = append(titles, "AGE", "DISCOVERY")
	if wide {
		titles = append(titles, "SERVICEACCOUNT", "RESOURCES", "NACKS", "CLASSES", "NODE-ID")
	}
	fmt.Fprintln(w, strings.Join(titles, "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(proxyCells(r, wide, now), "\t"))
	}
	return w.Flush()
}

func proxyCells(r proxyRow, wide bool, now time.Time) []string {
	cells := []string{r.Namespace, r.Pod, r.Type}
	resources, nacks := 0, 0
	var classes []string
	for _, c := range proxyColumns {
		word := "-"
		for _, t := range r.Types {
			if t.Type == string(c.url) {
				word = syncWord(t)
				classes = append(classes, t.Class)
			}
		}
		cells = append(cells, word)
	}
	for _, t := range r.Types {
		resources += t.Resources
		nacks += t.Nacks
	}
	cells = append(cells, duration.HumanDuration(now.Sub(r.Connected)), cmp.Or(r.Discovery, "-"))
	if wide {
		cells = append(cells, r.ServiceAccount, strconv.Itoa(resources), strconv.Itoa(nacks), strings.Join(classes, "/"), r.ID)
	}
	return cells
}

func syncWord(t cache.TypeState) string {
	switch {
	case len(t.Rejected) > 0:
		return "REJECTED"
	case t.Pending > 0 || t.Unacked > 0:
		return "PENDING"
	}
	return "SYNCED"
}
