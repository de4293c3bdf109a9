package spiffe_test

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/spiffe"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want spiffe.ID
		err  string // a part of the error; empty means none
	}{
		"a workload":                      {in: "spiffe://cluster.local/ns/shop/sa/back", want: spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "back"}},
		"a service account with dots":     {in: "spiffe://td/ns/shop/sa/back.v1", want: spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "back.v1"}},
		"nothing":                         {in: "", err: "want spiffe://"},
		"another scheme":                  {in: "https://td/ns/shop/sa/back", err: "want spiffe://"},
		"no trust domain":                 {in: "spiffe:///ns/shop/sa/back", err: "trust domain"},
		"a trust domain in upper case":    {in: "spiffe://TD/ns/shop/sa/back", err: "trust domain"},
		"a port":                          {in: "spiffe://td:80/ns/shop/sa/back", err: "trust domain"},
		"a user":                          {in: "spiffe://u@td/ns/shop/sa/back", err: "trust domain"},
		"an empty namespace":              {in: "spiffe://td/ns//sa/back", err: "namespace"},
		"a namespace that climbs":         {in: "spiffe://td/ns/../sa/back", err: "namespace"},
		"a query":                         {in: "spiffe://td/ns/shop/sa/back?x=1", err: "service account"},
		"an escaped slash":                {in: "spiffe://td/ns/shop/sa/a%2fb", err: "service account"},
		"a character inside that may not": {in: "spiffe://td/ns/sh op/sa/back", err: "namespace"},
		"one segment too many":            {in: "spiffe://td/ns/shop/sa/back/x", err: "want spiffe://"},
		"segments in another order":       {in: "spiffe://td/sa/back/ns/shop", err: "want spiffe://"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := spiffe.Parse(tc.in)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if got.String() != tc.in {
				t.Errorf("prints as %q, want %q", got, tc.in)
			}
		})
	}
}

func TestFromCertificate(t *testing.T) {
	t.Parallel()
	id := spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "back"}
	other := spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "front"}
	tests := map[string]struct {
		uris []*url.URL
		ok   bool
	}{
		"one URI name is the ID":       {uris: []*url.URL{id.URI()}, ok: true},
		"no URI name is nobody":        {},
		"two URI names are refused":    {uris: []*url.URL{id.URI(), other.URI()}},
		"a name of another form is no": {uris: []*url.URL{{Scheme: "spiffe", Host: "td", Path: "/back"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := spiffe.FromCertificate(&x509.Certificate{URIs: tc.uris})
			if tc.ok != (err == nil) {
				t.Fatalf("error is %v", err)
			}
			if tc.ok && got != id {
				t.Errorf("got %v, want %v", got, id)
			}
		})
	}
}
