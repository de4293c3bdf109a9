package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

const (
	queryTimeout = 5 * time.Second
	// queryLimit is the most that is read of an answer, in bytes.
	queryLimit = 1 << 20
)

// ask puts the query of a gate to Prometheus and returns the sample that
// compares worst.
func ask(ctx context.Context, q v1alpha1.QueryGate, revision string) rollout.Answer {
	samples, err := samplesOf(ctx, q.URL, strings.ReplaceAll(q.Expr, "$(revision)", revision))
	switch {
	case err != nil:
		return rollout.Answer{Problem: err.Error()}
	case len(samples) == 0:
		return rollout.Answer{Problem: "the query has no result"}
	}
	for _, sample := range samples {
		if !rollout.Compares(q, sample) {
			return rollout.Answer{Value: sample}
		}
	}
	return rollout.Answer{Value: samples[0]}
}

// queryAnswer is Prometheus' answer to an instant query.
type queryAnswer struct {
	Status, Error string
	Data          struct {
		ResultType string
		Result     json.RawMessage
	}
}

func samplesOf(ctx context.Context, server, expr string) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, fmt.Errorf("make query: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer queryAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, queryLimit)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer of Prometheus, %s: %w", response.Status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("ask Prometheus: %s: %s", response.Status, answer.Error)
	}
	return readSamples(answer.Data.ResultType, answer.Data.Result)
}

// sample is a time and a value, as Prometheus writes them.
type sample [2]any

func readSamples(kind string, raw json.RawMessage) ([]float64, error) {
	var list []sample
	switch kind {
	case "scalar":
		var one sample
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("read a scalar: %w", err)
		}
		list = append(list, one)
	case "vector":
		var vector []struct{ Value sample }
		if err := json.Unmarshal(raw, &vector); err != nil {
			return nil, fmt.Errorf("read a vector: %w", err)
		}
		for _, v := range vector {
			list = append(list, v.Value)
		}
	default:
		return nil, fmt.Errorf("the query gives a %s; ask for a vector or a scalar", kind)
	}
	var out []float64
	for _, s := range list {
		text, _ := s[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) {
			return nil, fmt.Errorf("the query gives %q, which is no number", text)
		}
		out = append(out, value)
	}
	return out, nil
}
