package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/meshwright/meshwright/"

// rooms says what each folder may import from this module, in code that is not
// a test. A folder's own subfolders are named in full; "x/..." stands for x and
// all below it. A folder that is not listed may import nothing of ours.
var rooms = map[string][]string{
	"":                 {"internal/cmd"},
	"api/v1alpha1":     {},
	"charts":           {},
	"config":           {},
	"controllers":      {"api/v1alpha1", "internal/install/...", "internal/xds/cache", "internal/xds/report", "internal/log", "internal/metrics", "internal/version"},
	"hack/bench":       {"internal/test/...", "internal/ingest", "internal/mesh", "internal/view", "internal/translate/...", "internal/push", "internal/xds"},
	"hack/bundle":      {"api/v1alpha1", "charts", "hack/bundlecheck", "internal/install/plan", "internal/version"},
	"hack/bundlecheck": {},
	"internal":         {},
	"internal/cmd":     {"..."},
	"internal/log":     {},
	"internal/test":    {},
	"internal/agent":   {"internal/agent/...", "internal/leave", "internal/spiffe", "internal/log", "internal/metrics", "internal/version"},

	// The line of data.
	"internal/mesh":               {"internal/spiffe"},
	"internal/source":             {"internal/ingest/...", "internal/mesh", "internal/log", "internal/metrics"},
	"internal/ingest":             {"internal/ingest/...", "internal/mesh"},
	"internal/ingest/kube":        {"internal/ingest/...", "internal/mesh"},
	"internal/ingest/istio":       {"internal/ingest/...", "internal/mesh"},
	"internal/view":               {"internal/mesh", "internal/spiffe"},
	"internal/translate":          {"internal/view", "internal/mesh", "internal/spiffe", "internal/translate/..."},
	"internal/translate/envoy":    {},
	"internal/translate/resource": {"internal/mesh"},
	"internal/push":               {"internal/mesh", "internal/view", "internal/translate/...", "internal/xds/cache", "internal/log", "internal/metrics"},
	"internal/leave":              {},
	"internal/xds":                {"internal/xds/...", "internal/leave", "internal/translate/resource", "internal/mesh", "internal/push", "internal/authn", "internal/spiffe", "internal/log", "internal/metrics"},
	"internal/status":             {"internal/mesh", "internal/log", "internal/metrics"},

	// The keepers of keys.
	"internal/spiffe":    {},
	"internal/authn":     {"internal/spiffe", "internal/log", "internal/metrics"},
	"internal/ca":        {"internal/spiffe"},
	"internal/ca/slot":   {"internal/ca", "internal/spiffe"},
	"internal/ca/rotate": {"internal/ca", "internal/ca/slot", "internal/log", "internal/metrics"},
	"internal/ca/store":  {"internal/ca", "internal/ca/slot", "internal/log"},
	"internal/ca/server": {"internal/ca", "internal/ca/slot", "internal/authn", "internal/spiffe", "internal/log", "internal/metrics"},

	// The proxy's side and the operator's.
	"internal/inject":           {"internal/redirect/capture"},
	"internal/inject/webhook":   {"internal/inject", "internal/log", "internal/metrics"},
	"internal/redirect":         {},
	"internal/redirect/capture": {},
	"internal/install/plan":     {"api/v1alpha1", "charts", "internal/version"},
	"internal/install/apply":    {"internal/log", "internal/metrics"},
	"internal/backup":           {"internal/ca/store"},
	"internal/convert":          {"api/v1alpha1"},
	"internal/check":            {"api/v1alpha1", "internal/install/plan"},
	"internal/install/rollout":  {"api/v1alpha1"},
	"internal/version":          {},
	"internal/metrics":          {},
}

// outside says which rooms, and no others, may import what begins with the key.
var outside = map[string][]string{
	"k8s.io/client-go":                       {"hack/bench", "controllers", "internal/cmd", "internal/source", "internal/status", "internal/install/apply", "internal/backup", "internal/ca/store", "internal/authn", "internal/inject/webhook", "internal/test"},
	"sigs.k8s.io/controller-runtime":         {"api/v1alpha1", "controllers", "internal/cmd", "internal/source", "internal/status", "internal/install/apply", "internal/ca/store", "internal/authn", "internal/inject/webhook", "internal/log", "internal/metrics", "internal/test"},
	"istio.io/client-go":                     {"internal/cmd", "internal/source", "internal/ingest", "internal/status", "internal/test"},
	"github.com/envoyproxy/go-control-plane": {"hack/bench", "internal/translate", "internal/xds", "internal/agent", "internal/cmd", "internal/test"},
	"helm.sh/helm":                           {"internal/install/plan"},
	"github.com/google/nftables":             {"internal/redirect"},
	"google.golang.org/grpc":                 {"hack/bench", "internal/xds", "internal/leave", "internal/authn", "internal/ca/server", "internal/agent", "internal/cmd", "internal/test"},
}

// Budgets. A file or function over the hard limit fails; so does a tree whose
// 90th percentile is over the soft one.
const (
	fileHard, fileSoft = 600, 400
	funcHard, funcSoft = 100, 40
	maxParameters      = 5
)

var forbiddenNames = []string{"utils.go", "util.go", "helpers.go", "helper.go", "common.go", "types.go", "misc.go"}

type source struct {
	dir, path string
	test      bool
	lines     int
	file      *ast.File
}

// sources parses every hand-written Go file of the root module.
func sources(t *testing.T, fset *token.FileSet) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if nested(path) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		dir := filepath.ToSlash(filepath.Dir(rel))
		if dir == "." {
			dir = ""
		}
		out = append(out, source{
			dir: dir, path: rel, file: file,
			test:  strings.HasSuffix(path, "_test.go") || strings.HasPrefix(dir, "internal/test"),
			lines: strings.Count(string(text), "\n"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("found only %d Go files: the test looks in the wrong place", len(out))
	}
	return out
}

// nested is true for folders that are not of the root module.
func nested(path string) bool {
	base := filepath.Base(path)
	if base == "testdata" || (strings.HasPrefix(base, ".") && base != "..") || base == "bin" {
		return true
	}
	if path == ".." {
		return false
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// allowed reports whether list names dir, by itself or by "x/...".
func allowed(list []string, dir string) bool {
	for _, l := range list {
		if l == dir || l == "..." {
			return true
		}
		if base, ok := strings.CutSuffix(l, "/..."); ok && (dir == base || strings.HasPrefix(dir, base+"/")) {
			return true
		}
	}
	return false
}

// room is the row of the table for a folder: its own, or the nearest above it.
func room(dir string) (row []string, name string, ok bool) {
	for d := dir; ; d = filepath.ToSlash(filepath.Dir(d)) {
		if row, ok := rooms[d]; ok {
			return row, d, d != "" || dir == ""
		}
		if d == "." || d == "" {
			return nil, "", false
		}
	}
}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	fset := token.NewFileSet()
	used := map[string]bool{}
	for _, s := range sources(t, fset) {
		row, name, ok := room(s.dir)
		if !ok && !s.test {
			t.Errorf("%s: folder %q is not in the table of rooms", s.path, s.dir)
			continue
		}
		used[name] = true
		if s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if dir, ours := strings.CutPrefix(path, module); ours {
				if dir != s.dir && !allowed(row, dir) && !strings.HasPrefix(s.dir, dir+"/") && !strings.HasPrefix(dir, s.dir+"/") {
					t.Errorf("%s: %s may not import %s", s.path, s.dir, dir)
				}
				if dir == "internal/cmd" && s.dir != "" {
					t.Errorf("%s: nobody imports the door", s.path)
				}
				continue
			}
			for prefix, who := range outside {
				if strings.HasPrefix(path, prefix) && !slices.ContainsFunc(who, func(w string) bool { return s.dir == w || strings.HasPrefix(s.dir, w+"/") }) {
					t.Errorf("%s: %s may not import %s", s.path, s.dir, path)
				}
			}
		}
	}
	for name := range rooms {
		if _, err := os.Stat(filepath.Join("..", name)); err == nil && name != "internal/test" && !used[name] && hasGo(name) {
			t.Errorf("room %q has no file that was looked at", name)
		}
	}
}

func hasGo(dir string) bool {
	files, _ := filepath.Glob(filepath.Join("..", dir, "*.go"))
	return len(files) > 0
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	fset := token.NewFileSet()
	seen, said := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t, fset) {
		if strings.HasSuffix(s.path, "_test.go") || s.dir == "" {
			continue
		}
		seen[s.dir] = true
		if filepath.Base(s.path) == "doc.go" && s.file.Doc != nil {
			said[s.dir] = true
		}
	}
	for dir := range seen {
		if !said[dir] {
			t.Errorf("%s has no doc.go with a package comment", dir)
		}
	}
}

func TestFilesAndFunctionsKeepTheirBudget(t *testing.T) {
	fset := token.NewFileSet()
	var files, funcs []int
	for _, s := range sources(t, fset) {
		files = append(files, s.lines)
		if s.lines > fileHard {
			t.Errorf("%s has %d lines, the budget is %d", s.path, s.lines, fileHard)
		}
		if slices.Contains(forbiddenNames, filepath.Base(s.path)) {
			t.Errorf("%s: a file is named for the noun it handles", s.path)
		}
		if s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			funcs = append(funcs, n)
			if n > funcHard {
				t.Errorf("%s: %s has %d lines, the budget is %d", s.path, f.Name.Name, n, funcHard)
			}
			if p := f.Type.Params.NumFields(); p > maxParameters {
				t.Errorf("%s: %s takes %d parameters, the budget is %d", s.path, f.Name.Name, p, maxParameters)
			}
		}
	}
	if p := percentile(files, 90); p > fileSoft {
		t.Errorf("the 90th percentile of files is %d lines, the budget is %d", p, fileSoft)
	}
	if p := percentile(funcs, 90); p > funcSoft {
		t.Errorf("the 90th percentile of functions is %d lines, the budget is %d", p, funcSoft)
	}
}

func percentile(values []int, p int) int {
	slices.Sort(values)
	return values[(len(values)-1)*p/100]
}

// TestNoFolderCircle asks that the folders below internal, taken with all that
// is below them, import each other in one direction only.
func TestNoFolderCircle(t *testing.T) {
	fset := token.NewFileSet()
	edges := map[string]map[string]bool{}
	for _, s := range sources(t, fset) {
		from := top(s.dir)
		if s.test || from == "" {
			continue
		}
		for _, spec := range s.file.Imports {
			dir, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
			if to := top(dir); ours && to != "" && to != from {
				if edges[from] == nil {
					edges[from] = map[string]bool{}
				}
				edges[from][to] = true
			}
		}
	}
	state := map[string]int{}
	var walk func(string, []string)
	walk = func(n string, path []string) {
		if state[n] == 1 {
			t.Errorf("folders import each other in a circle: %s", strings.Join(append(path, n), " → "))
			return
		}
		if state[n] == 2 {
			return
		}
		state[n] = 1
		for to := range edges[n] {
			walk(to, append(path, n))
		}
		state[n] = 2
	}
	for n := range edges {
		walk(n, nil)
	}
}

// top is the first folder below internal, or the first folder of all.
func top(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return "internal/" + parts[1]
	}
	return parts[0]
}
