package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/hack/bundlecheck"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/version"
)

// project is the source that the Makefile has.
func project() source {
	return source{root: "../..", image: plan.DefaultImage(version.String())}
}

func TestBundleIsUpToDateAndRight(t *testing.T) {
	var out bytes.Buffer
	if err := verify(&out, project()); err != nil {
		t.Errorf("%v:\n%s", err, out.String())
	}
	if !strings.HasPrefix(out.String(), "errors=0 warnings=0 size=") {
		t.Errorf("it says:\n%s", out.String())
	}
}

func TestStaleFilesAreNamed(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "config"), os.DirFS("../../config")); err != nil {
		t.Fatal(err)
	}
	s := project()
	s.root = root
	var out bytes.Buffer
	if err := write(&out, s); err != nil {
		t.Fatal(err)
	}
	annotations := filepath.Join(root, "bundle/metadata/annotations.yaml")
	err := errors.Join(os.WriteFile(annotations, nil, 0o644), os.WriteFile(filepath.Join(root, "bundle/more"), nil, 0o644), os.Remove(filepath.Join(root, "bundle/ci.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := verify(&out, s); err == nil {
		t.Error("it finds nothing")
	}
	want := "error: bundle/ci.yaml is not up to date; make bundle\nerror: bundle/metadata/annotations.yaml is not up to date; make bundle\n" +
		"error: bundle/more is not up to date; make bundle\nerrors=3 warnings=0 size="
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("it says:\n%s", out.String())
	}
}

func TestReleaseWithDigestsIsRight(t *testing.T) {
	s := project()
	s.root = t.TempDir()
	s.image = "docker.io/meshwright/meshwright@sha256:" + strings.Repeat("0a", 32)
	if err := os.CopyFS(filepath.Join(s.root, "config"), os.DirFS("../../config")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := errors.Join(write(&out, s), verify(&out, s)); err != nil {
		t.Errorf("%v:\n%s", err, out.String())
	}
	text, err := os.ReadFile(filepath.Join(s.root, "bundle/manifests/meshwright.clusterserviceversion.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `features.operators.openshift.io/disconnected: "true"`) || strings.Contains(string(text), "meshwright:v") {
		t.Error("an image has no digest")
	}
}

func TestClaimedCapabilityHasEvidence(t *testing.T) {
	if len(capabilities) != len(bundlecheck.Levels) {
		t.Fatalf("%d levels have evidence, of %d", len(capabilities), len(bundlecheck.Levels))
	}
	for i, rows := range capabilities {
		for _, row := range rows {
			if row.test == "" {
				continue
			}
			file, function, _ := strings.Cut(row.test, ":")
			text, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil || !strings.Contains(string(text), "\nfunc "+function+"(") {
				t.Errorf("%s: %q is shown by %s, which is not there", bundlecheck.Levels[i], row.asks, row.test)
			}
		}
	}
}

func TestExamplesAreTakenByAnAPIServer(t *testing.T) {
	server := apiserver.Start(t, apiserver.WithCRDs("../../bundle/manifests/meshwright.io_meshinstalls.yaml", "../../bundle/manifests/meshwright.io_meshrevisions.yaml"))
	c, err := client.New(server.Config, client.Options{FieldValidation: "Strict"})
	if err != nil {
		t.Fatal(err)
	}
	examples, _, err := project().examples()
	if err != nil || len(examples) != 2 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, example := range examples {
		o := &unstructured.Unstructured{Object: example.(map[string]any)}
		if err := c.Create(context.Background(), o); err != nil {
			t.Errorf("%s: %v", o.GetKind(), err)
		}
	}
}
