package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// answer is what the demo's applications say.
type answer struct {
	App, Version, Host, Path, Peer string
	Rows                           []struct {
		Name  string
		Price int
	}
	From *answer
}

func (a *answer) String() string {
	s := a.App + " " + a.Version
	if a.Peer != "" {
		s += " (called by " + a.Peer + ")"
	}
	if a.From != nil {
		return s + "\n→ " + a.From.String()
	}
	for _, r := range a.Rows {
		s += fmt.Sprintf("\n   %-8s %d", r.Name, r.Price)
	}
	return s
}

// fromOutside asks the ingress gateway as a browser would.
func (w *walk) fromOutside(ctx context.Context) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.ingress+"/", nil)
	if err != nil {
		return nil, err
	}
	req.Host = "shop.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %.300s", req.URL, resp.Status, body)
	}
	a := &answer{}
	return a, json.Unmarshal(body, a)
}

func (w *walk) throughIngress(ctx context.Context) (string, error) {
	if err := w.findIngress(ctx); err != nil {
		return "", err
	}
	return eventually(ctx, patience, func() (string, error) {
		a, err := w.fromOutside(ctx)
		if err != nil {
			return "", err
		}
		if a.App != "front" || a.From == nil || a.From.App != "back" || len(a.From.Rows) == 0 {
			return a.String(), errors.New("the answer is not of front and back with rows")
		}
		return "GET " + w.ingress + "/ (Host: shop.example)\n" + a.String(), nil
	})
}

func (w *walk) identity(ctx context.Context) (string, error) {
	const want = "spiffe://cluster.local/ns/shop/sa/front"
	a, err := w.fromOutside(ctx)
	if err != nil {
		return "", err
	}
	if a.From == nil || a.From.Peer != want {
		return a.String(), fmt.Errorf("back did not see %s", want)
	}
	before, err := w.kubectl.exec(ctx, "outside", "caller", "demo-app", "get", "http://back.shop:8080/")
	if err != nil || !strings.HasPrefix(before, "200") {
		return before, errors.Join(err, errors.New("under PERMISSIVE a plaintext caller is served"))
	}
	if _, err := w.kubectl.out(ctx, "apply", "-f", filepath.Join(w.manifests, "40-strict.yaml")); err != nil {
		return "", err
	}
	refused, err := eventually(ctx, 30*time.Second, func() (string, error) {
		out, err := w.kubectl.exec(ctx, "outside", "caller", "demo-app", "get", "http://back.shop:8080/")
		if err == nil {
			return out, errors.New("the plaintext caller is still answered")
		}
		// Any other failure would be one of the walk, not the mesh's refusal.
		const reset = "connection reset by peer"
		if !strings.Contains(err.Error(), reset) {
			return "", fmt.Errorf("not refused but failed: %w", err)
		}
		return reset, nil
	})
	if err != nil {
		return refused, err
	}
	if _, err := w.fromOutside(ctx); err != nil {
		return "", fmt.Errorf("the mesh's own callers under STRICT: %w", err)
	}
	return "back saw " + want + "\nPERMISSIVE: a caller without a proxy was answered 200\nSTRICT: the same caller: " + refused, nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func (w *walk) serverFirst(ctx context.Context) (string, error) {
	out, err := w.kubectl.exec(ctx, "shop", "front", "demo-app", "raw", "db:3306")
	if err != nil {
		return "", err
	}
	rows, err := w.kubectl.exec(ctx, "shop", "front", "demo-app", "query", "db:3306")
	if err != nil {
		return "", err
	}
	if !strings.Contains(out, "mysql_native_password") || !strings.Contains(rows, `"name":"anvil"`) {
		return out + "\n" + rows, errors.New("not the greeting and the rows of the database")
	}
	greeting, _, _ := strings.Cut(out, " ")
	return "the greeting came after " + greeting + ", through mutual TLS\n" + rows, nil
}

func (w *walk) split(ctx context.Context) (string, error) {
	t, err := w.kubectl.load(ctx, "front", 0, "1000", "8", "http://back:8080/")
	if err != nil {
		return "", err
	}
	v1, v2 := t.Versions["back v1"], t.Versions["back v2"]
	evidence := fmt.Sprintf("v1 %d, v2 %d, errors %d of %d", v1, v2, t.Errors, t.Requests)
	// A fair coin of 10 % over 1,000 throws has a standard deviation of 9.5.
	if t.Errors > 0 || v1+v2 != 1000 || v2 < 55 || v2 > 145 {
		return evidence, fmt.Errorf("not 90/10 without errors: %s", t.FirstError)
	}
	return evidence, nil
}

func (w *walk) admin(ctx context.Context) (string, error) {
	out, err := w.kubectl.exec(ctx, "shop", "front", "demo-app", "get", "http://back:8080/admin/users")
	if err != nil {
		return "", err
	}
	if !strings.Contains(out, `"app":"admin"`) {
		return out, errors.New("/admin was not answered by admin")
	}
	return "GET http://back:8080/admin/users → " + lastLine(out), nil
}
