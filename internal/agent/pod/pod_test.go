package pod_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/agent/pod"
)

func TestReadMap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want map[string]string
		fail bool
	}{
		"labels":                    {text: "app=\"back\"\nversion=\"v1\"\n", want: map[string]string{"app": "back", "version": "v1"}},
		"a value with a line break": {text: "note=\"a\\nb\\\"=\\\"\"", want: map[string]string{"note": "a\nb\"=\""}},
		"an empty value":            {text: "a=\"\"\n", want: map[string]string{"a": ""}},
		"nothing":                   {want: map[string]string{}},
		"a value without quotes":    {text: "app=back\n", fail: true},
		"no value":                  {text: "app\n", fail: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "labels")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := pod.ReadMap(file)
			if tc.fail != (err != nil) {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadMapOfAMissingFileIsEmpty(t *testing.T) {
	t.Parallel()
	got, err := pod.ReadMap(filepath.Join(t.TempDir(), "none"))
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWorkload(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name            string
		labels          map[string]string
		workload, owner string
	}{
		"a Deployment's pod": {
			name: "back-v1-6d4f-x2x2x", labels: map[string]string{"pod-template-hash": "6d4f"},
			workload: "back-v1", owner: "kubernetes://apis/apps/v1/namespaces/shop/deployments/back-v1",
		},
		"a StatefulSet's pod": {
			name: "db-0", labels: map[string]string{"statefulset.kubernetes.io/pod-name": "db-0", "controller-revision-hash": "db-5f"},
			workload: "db", owner: "kubernetes://apis/apps/v1/namespaces/shop/statefulsets/db",
		},
		"a DaemonSet's pod": {
			name: "node-agent-x2x2x", labels: map[string]string{"controller-revision-hash": "5f"},
			workload: "node-agent", owner: "kubernetes://apis/apps/v1/namespaces/shop/daemonsets/node-agent",
		},
		"a Job's pod": {
			name: "import-x2x2x", labels: map[string]string{"batch.kubernetes.io/job-name": "import"},
			workload: "import", owner: "kubernetes://apis/batch/v1/namespaces/shop/jobs/import",
		},
		"a pod on its own": {
			name: "shell-1", workload: "shell-1", owner: "kubernetes://apis/v1/namespaces/shop/pods/shell-1",
		},
		"a pod whose hash is not in its name": {
			name: "shell-1", labels: map[string]string{"pod-template-hash": "6d4f"},
			workload: "shell-1", owner: "kubernetes://apis/v1/namespaces/shop/pods/shell-1",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workload, owner := pod.Workload(tc.name, "shop", tc.labels)
			if workload != tc.workload || owner != tc.owner {
				t.Errorf("got %s, %s; want %s, %s", workload, owner, tc.workload, tc.owner)
			}
		})
	}
}
