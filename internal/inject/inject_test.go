package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/test/golden"
)

const testConfig = `
image: example/meshwright:v1
discoveryAddress: discovery.mesh-system.svc:15012
trustDomain: cluster.local
clusterID: one
revision: main-0123456789
tags: [default]
meshNamespace: mesh-system
resources:
  requests: {cpu: 10m, memory: 64Mi}
`

func testInput(t *testing.T) *Input {
	t.Helper()
	c, err := ParseConfig([]byte(testConfig))
	if err != nil {
		t.Fatal(err)
	}
	return &Input{Config: c, RootCert: "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n", Namespace: "default"}
}

// stream is Stream with strings.
func stream(t *testing.T, text string) (string, []string, error) {
	t.Helper()
	var out bytes.Buffer
	notes, err := Stream(&out, strings.NewReader(text), testInput(t))
	return out.String(), notes, err
}

func TestGolden(t *testing.T) {
	t.Parallel()
	golden.Cases(t, "testdata", func(t *testing.T, base string, in []byte) {
		out, notes, err := stream(t, string(in))
		if err != nil {
			t.Fatal(err)
		}
		// The notes stand above the manifests as comments.
		var text strings.Builder
		for _, note := range notes {
			text.WriteString("# " + note + "\n")
		}
		golden.Text(t, base+".out.yaml", []byte(text.String()+out))

		again, _, err := stream(t, out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(out, again); diff != "" {
			t.Errorf("a second injection changed something:\n%s", diff)
		}
	})
}

func TestOfflineEqualsTheAppliedPatch(t *testing.T) {
	t.Parallel()
	golden.Cases(t, "testdata", func(t *testing.T, _ string, in []byte) {
		for _, document := range golden.Documents(in) {
			var pod corev1.Pod
			if err := yaml.Unmarshal(document, &pod); err != nil || pod.Kind != "Pod" {
				continue
			}
			want, _, err := stream(t, string(document))
			if err != nil {
				t.Fatal(err)
			}
			input := testInput(t)
			if pod.Namespace != "" {
				input.Namespace = pod.Namespace
			}
			result, err := Patch(&pod, input)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := yaml.YAMLToJSON(document)
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Patch) > 0 {
				if raw, err = apply(raw, result.Patch); err != nil {
					t.Fatal(err)
				}
			}
			var got, offline any
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(want), &offline); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(offline, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		// want is named by the error: what is wrong, and the way out.
		want []string
	}{
		"a bad traffic annotation": {
			change: annotate("traffic.sidecar.istio.io/excludeInboundPorts", "http"),
			want:   []string{"traffic.sidecar.istio.io/excludeInboundPorts", `"http"`, "1 to 65535"},
		},
		"a mode that is not served": {
			change: annotate("sidecar.istio.io/interceptionMode", "NONE"),
			want:   []string{"sidecar.istio.io/interceptionMode", `"NONE"`, "REDIRECT"},
		},
		"a bad quantity": {
			change: annotate("sidecar.istio.io/proxyCPU", "lots"),
			want:   []string{"sidecar.istio.io/proxyCPU", `"lots"`, "100m"},
		},
		"a negative quantity": {
			change: annotate("sidecar.istio.io/proxyMemoryLimit", "-1"),
			want:   []string{"sidecar.istio.io/proxyMemoryLimit", `"-1"`, "128Mi"},
		},
		"a level that Envoy does not know": {
			change: annotate("sidecar.istio.io/logLevel", "loud"),
			want:   []string{"sidecar.istio.io/logLevel", `"loud"`, "warning"},
		},
		"a switch that is neither true nor false": {
			change: annotate("sidecar.istio.io/rewriteAppHTTPProbers", "no"),
			want:   []string{"sidecar.istio.io/rewriteAppHTTPProbers", `"no"`, `"false"`},
		},
		"a probe of a port without that name": {
			change: func(p *corev1.Pod) {
				p.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
				p.Spec.Containers[0].LivenessProbe.TCPSocket.Port.Type = 1
				p.Spec.Containers[0].LivenessProbe.TCPSocket.Port.StrVal = "web"
			},
			want: []string{"livenessProbe of container a", `"web"`, "give a number"},
		},
		"a container with the proxy's name": {
			change: func(p *corev1.Pod) { p.Spec.Containers[0].Name = "istio-proxy" },
			want:   []string{"container istio-proxy", "rename it", "sidecar.istio.io/inject"},
		},
		"a volume with the token's name": {
			change: func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{{Name: "istio-token"}} },
			want:   []string{"volume istio-token", "rename it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
			tc.change(pod)
			_, err := Patch(pod, testInput(t))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %q", err, want)
				}
			}
		})
	}
}

func annotate(name, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{name: value} }
}

func TestPatchWaitsForTheRootCertificate(t *testing.T) {
	t.Parallel()
	in := testInput(t)
	in.RootCert = ""
	if _, err := Patch(&corev1.Pod{}, in); !errors.Is(err, ErrNoRootCert) {
		t.Errorf("error %v, want ErrNoRootCert", err)
	}
}

func TestACopiedStatusDoesNotKeepThePodOut(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{}
	annotate("sidecar.istio.io/status", "{}")(pod)
	result, err := Patch(pod, testInput(t))
	if err != nil || len(result.Patch) == 0 {
		t.Errorf("patch of %d operations (%s), error %v", len(result.Patch), result.Skipped, err)
	}
}

func TestStreamNamesTheObjectOfAnError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"a template that is not there": {
			in:   "{apiVersion: apps/v1, kind: Deployment, metadata: {name: back, namespace: shop}, spec: {}}",
			want: "inject Deployment shop/back: spec.template is missing",
		},
		"an annotation in an item of a list": {
			in: "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, " +
				"metadata: {name: p, annotations: {sidecar.istio.io/logLevel: x}}, spec: {containers: []}}]}",
			want: "inject Pod p: annotation sidecar.istio.io/logLevel",
		},
		"a field of the wrong type": {
			in:   "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: 1}}",
			want: "inject Pod p:",
		},
		"a key twice": {in: "a: 1\na: 2", want: "already set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := stream(t, tc.in)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestStreamPassesOtherDocumentsOn(t *testing.T) {
	t.Parallel()
	const text = "# kept\na:   1\n---\n- b\n---\n# nothing here\n"
	out, notes, err := stream(t, text)
	if err != nil || len(notes) > 0 {
		t.Fatal(notes, err)
	}
	if diff := cmp.Diff(text, out); diff != "" {
		t.Error(diff)
	}
}

func TestCanonicalNameIsTheWorkload(t *testing.T) {
	t.Parallel()
	owned := func(kind, name string) metav1.ObjectMeta {
		yes := true
		return metav1.ObjectMeta{Name: "x", OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}}
	}
	deployed := owned("ReplicaSet", "back-7d9f")
	deployed.Labels = map[string]string{"pod-template-hash": "7d9f"}
	labelled := owned("ReplicaSet", "back-7d9f")
	labelled.Labels = map[string]string{"app": "shop", "app.kubernetes.io/name": "backend"}
	for name, tc := range map[string]struct {
		pod  metav1.ObjectMeta
		want string
	}{
		"a pod alone":                 {metav1.ObjectMeta{Name: "back"}, "back"},
		"a pod without a name yet":    {metav1.ObjectMeta{GenerateName: "back-"}, "back"},
		"a pod of a Deployment":       {deployed, "back"},
		"a pod of a bare ReplicaSet":  {owned("ReplicaSet", "back"), "back"},
		"a pod of a CronJob":          {owned("Job", "nightly-29384751"), "nightly"},
		"a pod of a Job":              {owned("Job", "once-2"), "once-2"},
		"labels come first":           {labelled, "backend"},
		"a name too long for a label": {metav1.ObjectMeta{Name: strings.Repeat("a", 62) + ".b"}, strings.Repeat("a", 62)},
		"a pod of a StatefulSet":      {owned("StatefulSet", "db"), "db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := canonicalName(&corev1.Pod{ObjectMeta: tc.pod}); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
