package controllers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/freeport"
)

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return string(body), err
}

func TestHealthAndMetricsAreServed(t *testing.T) {
	w := newWorld(t)
	options := operatorOptions()
	options.HealthAddress, options.MetricsAddress = freeport.Address(t), freeport.Address(t)
	w.operateWith(w.operatorConfig(), options)
	w.runPods(everything)
	// Metrics are the process's, and other tests run in it that have a mesh prod.
	w.create("measured", "  profile: minimal\n")
	active := w.ready("measured").Status.ActiveRevision

	for _, path := range []string{"/healthz", "/readyz"} {
		if _, err := fetch(w.ctx, "http://"+options.HealthAddress+path); err != nil {
			t.Error(err)
		}
	}
	// The last status is counted a moment after it is written.
	wanted := []string{
		`meshinstall_info{name="measured",profile="minimal",revision="` + active + `",version="v0.1.0"} 1`,
		`meshinstall_condition{name="measured",status="True",type="Ready"} 1`,
		"meshinstall_apply_duration_seconds_count", "meshinstall_render_duration_seconds_count",
		// What begins with one is no increase.
		`meshinstall_rollbacks_total{reason="NotUp"} `, `meshinstall_rollbacks_total{reason="configAcknowledged"} `,
		`meshinstall_rollbacks_total{reason="workloadsReady"} `, `meshinstall_rollbacks_total{reason="injectionDryRun"} `,
	}
	w.eventually("the metrics speak of it", func() error {
		body, err := fetch(w.ctx, "http://"+options.MetricsAddress+"/metrics")
		if err != nil {
			return err
		}
		for _, line := range wanted {
			if !strings.Contains(body, line) {
				return fmt.Errorf("there is no %s", line)
			}
		}
		return nil
	})
	w.remove("measured")
	w.eventually("the metrics forget it", func() error {
		body, err := fetch(w.ctx, "http://"+options.MetricsAddress+"/metrics")
		if err == nil && strings.Contains(body, `name="measured"`) {
			err = fmt.Errorf("they speak of it still")
		}
		return err
	})
}
