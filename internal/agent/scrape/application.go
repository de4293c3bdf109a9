package scrape

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// The annotations by which pods say where their metrics are, Prometheus's
// widely used convention.
const (
	annotationScrape = "prometheus.io/scrape"
	annotationPort   = "prometheus.io/port"
	annotationPath   = "prometheus.io/path"
	annotationScheme = "prometheus.io/scheme"
)

// Application says where the application's metrics are; nil is nowhere. moved
// are the pod's annotations as they stood before the injector pointed them at
// the agent, in Istio's form (ISTIO_PROMETHEUS_ANNOTATIONS); if it is empty the
// annotations of the pod count. own are ports of the proxy and the agent, which
// are not scraped as an application.
func Application(moved string, annotations map[string]string, own ...int) (*url.URL, error) {
	said := struct{ Scrape, Port, Path, Scheme string }{
		annotations[annotationScrape], annotations[annotationPort], annotations[annotationPath], annotations[annotationScheme],
	}
	if moved != "" {
		said = struct{ Scrape, Port, Path, Scheme string }{}
		if err := json.Unmarshal([]byte(moved), &said); err != nil {
			return nil, fmt.Errorf("read moved Prometheus annotations: %w", err)
		}
	}
	if said.Scrape != "true" {
		return nil, nil
	}
	port := 80 // Prometheus's convention for a pod that names no port
	if said.Port != "" {
		var err error
		if port, err = strconv.Atoi(said.Port); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("read annotation %s: %q is not a port", annotationPort, said.Port)
		}
	}
	for _, p := range own {
		if p == port {
			return nil, nil
		}
	}
	path := said.Path
	if path == "" {
		path = "/metrics"
	}
	u, err := url.Parse("/" + strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, fmt.Errorf("read annotation %s: %w", annotationPath, err)
	}
	u.Scheme, u.Host = "http", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if said.Scheme == "https" {
		u.Scheme = "https"
	}
	return u, nil
}
