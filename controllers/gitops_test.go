package controllers

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
)

func TestOnlyGitWritesTheSpec(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", canarySpec(devFirst))
	if got := w.ready("prod").Generation; got != 1 {
		t.Errorf("after the installation the generation is %d", got)
	}
	w.change(makeStrict)
	install := w.ready("prod")
	if install.Generation != 2 {
		t.Errorf("after one change and its canary the generation is %d", install.Generation)
	}
	for _, entry := range install.ManagedFields {
		if fields := entry.FieldsV1.GetRawString(); entry.Manager != "git" && (strings.Contains(fields, `"f:spec"`) || strings.Contains(fields, `"f:labels"`) || strings.Contains(fields, `"f:annotations"`)) {
			t.Errorf("%s manages %s", entry.Manager, fields)
		}
	}
}

func TestAMeshInstallThatIsReplacedEndsInTheSameMesh(t *testing.T) {
	w, _ := canaryWorld(t)
	spec := canarySpec(devFirst) + "    dataPlane: {migrate: Automatic}\n  deletion: {policy: Orphan}\n"
	w.create("prod", spec)
	before := w.ready("prod")
	lives := w.lives()
	w.deploy("dev", "cart", before.Status.ActiveRevision, func(*appsv1.Deployment) {})
	objects, writes := w.ownKeys(), len(w.operatorWrites())

	// Argo CD's Replace and kubectl replace --force delete and create.
	w.remove("prod")
	w.create("prod", spec)
	after := w.ready("prod")
	if after.Status.ActiveRevision != before.Status.ActiveRevision || after.Status.RenderedHash != before.Status.RenderedHash {
		t.Errorf("revision and hash are %s %s, were %s %s", after.Status.ActiveRevision, after.Status.RenderedHash, before.Status.ActiveRevision, before.Status.RenderedHash)
	}
	if d := cmp.Diff(objects, w.ownKeys()); d != "" {
		t.Errorf("objects (-before +after):\n%s", d)
	}
	if d := cmp.Diff(lives, w.lives()); d != "" {
		t.Errorf("the mesh was touched (-before +after):\n%s", d)
	}
	if got := w.restartedFor("dev", "cart"); got != "" {
		t.Errorf("cart is restarted for %s", got)
	}
	for _, write := range w.operatorWrites()[writes:] {
		if write.Namespace == "dev" {
			t.Errorf("the operator wrote what is the user's: %+v", write)
		}
	}
}

func TestWhatThePlatformAddsStaysAndIsNoDrift(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "")
	install := w.ready("prod")
	gateway := "Service mesh-ingress/meshwright-ingress"
	spec := func() string {
		s := w.own()[gateway].Object["spec"].(map[string]any)
		return fmt.Sprint(s["clusterIPs"], s["ipFamilies"], s["ports"])
	}
	before := spec()
	if !strings.Contains(before, "nodePort") {
		t.Fatalf("the API server gave no node ports: %s", before)
	}
	w.patch(gateway, "platform", `{"metadata":{"annotations":{"load-balancer/id":"7"}}}`)
	w.change(makeStrict)
	w.ready("prod")
	if after := spec(); after != before {
		t.Errorf("the gateway's Service is %s, was %s", after, before)
	}
	if got := w.own()[gateway].GetAnnotations()["load-balancer/id"]; got != "7" {
		t.Errorf("the platform's annotation is %q", got)
	}
	if notes := w.events(install.UID, "DriftCorrected"); len(notes) > 0 {
		t.Errorf("it is called drift: %q", notes)
	}
}

// TestPromisesToGitOpsAreTested holds the page to what there is.
func TestPromisesToGitOpsAreTested(t *testing.T) {
	page, err := os.ReadFile("../docs/gitops/README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllSubmatch(page, -1)
	if len(names) < 12 {
		t.Fatalf("the page names %d tests", len(names))
	}
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z]+)\(t \*testing\.T\)`)
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(source, -1) {
			there[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !there[string(name[1])] {
			t.Errorf("there is no %s", name[1])
		}
	}
}
