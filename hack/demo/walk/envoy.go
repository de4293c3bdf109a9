package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// listeners reads the table of a live Envoy through a port-forward to its admin
// port: one listener really listens, the others are reached by handing over.
func (w *walk) listeners(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := w.kubectl.command(ctx, "-n", "shop", "port-forward", "deploy/front", ":15000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return line, err
	}
	var port int
	if _, err := fmt.Sscanf(line, "Forwarding from 127.0.0.1:%d", &port); err != nil {
		return line, err
	}
	admin := fmt.Sprintf("http://127.0.0.1:%d", port)
	dump, err := fetch(ctx, admin+"/config_dump?resource=dynamic_listeners")
	if err != nil {
		return "", err
	}
	table, err := listenerTable(dump)
	if err != nil {
		return table, err
	}
	stats, err := fetch(ctx, admin+"/stats?filter=update_rejected")
	if err != nil {
		return "", err
	}
	counters := 0
	for line := range strings.Lines(string(stats)) {
		name, n, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if counters++; n != "0" {
			return table, fmt.Errorf("%s is %s", name, n)
		}
	}
	if counters == 0 {
		return table, errors.New("the proxy has no counter update_rejected")
	}
	return fmt.Sprintf("%s\nupdate_rejected is 0 in all %d counters of this proxy", table, counters), nil
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	return io.ReadAll(resp.Body)
}

type listener struct {
	Name    string
	Address struct {
		SocketAddress struct {
			Address   string
			PortValue int `json:"port_value"`
		} `json:"socket_address"`
	}
	BindToPort *bool `json:"bind_to_port"`
}

func listenerTable(dump []byte) (string, error) {
	var config struct {
		Configs []struct {
			ActiveState struct{ Listener listener } `json:"active_state"`
		}
	}
	if err := json.Unmarshal(dump, &config); err != nil {
		return "", err
	}
	var rows, names []string
	for _, c := range config.Configs {
		l := c.ActiveState.Listener
		how := "listens"
		if l.BindToPort != nil && !*l.BindToPort {
			how = "by hand-over"
		}
		at := fmt.Sprintf("%s:%d", l.Address.SocketAddress.Address, l.Address.SocketAddress.PortValue)
		rows = append(rows, fmt.Sprintf("%-24s %-24s %s", l.Name, at, how))
		names = append(names, l.Name)
	}
	slices.Sort(rows)
	table := strings.Join(rows, "\n")
	for _, want := range []string{"virtualOutbound", "virtualInbound", "0.0.0.0_8080"} {
		if !slices.Contains(names, want) {
			return table, fmt.Errorf("there is no listener %s", want)
		}
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "_3306") }) {
		return table, errors.New("there is no listener for the database's address")
	}
	return table, nil
}
