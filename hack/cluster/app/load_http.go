package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// httpCaller posts to address/path: what is not idempotent Go does not repeat by itself.
type httpCaller struct {
	url    string
	client *http.Client
}

func newHTTPCaller(address string, fresh bool) *httpCaller {
	return &httpCaller{url: "http://" + address, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: fresh}}}
}

func (c *httpCaller) call(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return "", cause(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", cause(err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %.160s", response.StatusCode, body)
	}
	var answer Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return answer.Pod, nil
}

// cause is an error without the addresses around it, so that equal ones count
// as equal.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
