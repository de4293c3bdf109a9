package controllers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestQueriesAreAnsweredByTheSampleThatComparesWorst(t *testing.T) {
	cases := map[string]struct {
		answer  string
		value   float64
		problem string
	}{
		"a scalar":             {`{"status":"success","data":{"resultType":"scalar","result":[1.5,"0.002"]}}`, 0.002, ""},
		"two samples":          {`{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"0.001"]},{"value":[1,"0.5"]}]}}`, 0.5, ""},
		"no sample":            {`{"status":"success","data":{"resultType":"vector","result":[]}}`, 0, "no result"},
		"not a number":         {`{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`, 0, "NaN"},
		"a matrix":             {`{"status":"success","data":{"resultType":"matrix","result":[]}}`, 0, "ask for a vector or a scalar"},
		"a query that is bad":  {`{"status":"error","error":"parse error"}`, 0, "parse error"},
		"something else there": {`<html>`, 0, "read the answer of Prometheus"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Path + " " + r.URL.Query().Get("query")
				fmt.Fprint(w, tc.answer)
			}))
			defer server.Close()
			q := v1alpha1.QueryGate{URL: server.URL + "/", Expr: `errors{revision="$(revision)"}`, Op: "<=", Value: "0.01"}
			got := ask(t.Context(), q, "prod-2")
			if got.Value != tc.value || (got.Problem == "") != (tc.problem == "") || !strings.Contains(got.Problem, tc.problem) {
				t.Errorf("answer is %+v", got)
			}
			if asked != `/api/v1/query errors{revision="prod-2"}` {
				t.Errorf("asked %s", asked)
			}
		})
	}
}
