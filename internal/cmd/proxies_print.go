package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// proxyColumns are the columns of the table that tell of a type's sync. Routes
// are route configurations with their virtual hosts.
var proxyColumns = []struct {
	title string
	types []resource.TypeURL
}{
	{"CLUSTERS", []resource.TypeURL{resource.Cluster}},
	{"LISTENERS", []resource.TypeURL{resource.Listener}},
	{"ROUTES", []resource.TypeURL{resource.Route, resource.VirtualHost}},
	{"ENDPOINTS", []resource.TypeURL{resource.Endpoints}},
	{"SECRETS", []resource.TypeURL{resource.Secret}},
}

// printProxies writes the rows in a form of -o; ages are those at now.
func printProxies(out io.Writer, form string, rows []proxyRow, now time.Time) error {
	switch form {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(proxyList{append([]proxyRow{}, rows...)})
	case "yaml":
		text, err := yaml.Marshal(proxyList{append([]proxyRow{}, rows...)})
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = out.Write(text)
		return err
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "No proxies are connected.")
		return err
	}
	wide := form == "wide"
	titles := []string{"NAME", "NAMESPACE", "TYPE"}
	for _, c := range proxyColumns {
		titles = append(titles, c.title)
	}
	titles = append(titles, "REVISION", "AGE")
	if wide {
		titles = append(titles, "DISCOVERY", "SERVICEACCOUNT", "RESOURCES", "NACKS", "REFUSED")
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, strings.Join(titles, "\t"))
	for _, r := range rows {
		fmt.Fprintln(table, strings.Join(proxyCells(r, wide, now), "\t"))
	}
	return table.Flush()
}

func proxyCells(r proxyRow, wide bool, now time.Time) []string {
	cells := []string{r.Name, r.Namespace, r.Type}
	for _, c := range proxyColumns {
		cells = append(cells, syncWord(r.Types, c.types, now))
	}
	cells = append(cells, cmp.Or(r.Revision, "-"), duration.HumanDuration(now.Sub(r.Connected)))
	if wide {
		resources := 0
		for _, t := range r.Types {
			resources += t.Resources
		}
		cells = append(cells, cmp.Or(r.Discovery, "-"), cmp.Or(r.ServiceAccount, "-"), strconv.Itoa(resources), strconv.Itoa(r.Nacks), cmp.Or(refusals(r.Types), "-"))
	}
	return cells
}

// syncWord is the worst of the types of a column.
func syncWord(states []cache.TypeState, column []resource.TypeURL, now time.Time) string {
	asked, stale, nack := false, false, false
	var since time.Time
	for _, s := range states {
		if !slices.Contains(column, resource.TypeURL(s.Type)) {
			continue
		}
		asked = true
		nack = nack || len(s.Rejected) > 0
		stale = stale || s.Pending > 0 || s.Unacked > 0
		if at := s.UnackedSince; !at.IsZero() && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	switch {
	case nack:
		return "NACK"
	case stale && !since.IsZero():
		return "STALE " + duration.HumanDuration(now.Sub(since))
	case stale:
		return "STALE"
	case asked:
		return "SYNCED"
	}
	return "-"
}

// refusals is one line of what a proxy refuses, and why.
func refusals(states []cache.TypeState) string {
	var out []string
	for _, s := range states {
		for _, r := range s.Rejected {
			why := strings.Join(strings.Fields(r.Error), " ")
			out = append(out, resource.TypeURL(s.Type).Short()+" "+r.Name+": "+why)
		}
	}
	return strings.Join(out, "; ")
}
