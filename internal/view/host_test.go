package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][]string{
		"a.b.c":    {"a.b.c", "*.b.c", "*.c", "*"},
		"*.b.c":    {"*.b.c", "*.c", "*"},
		"a":        {"a", "*"},
		"*":        {"*"},
		"10.0.0.1": {"10.0.0.1", "*.0.0.1", "*.0.1", "*.1", "*"},
	} {
		if diff := cmp.Diff(want, patterns(host)); diff != "" {
			t.Errorf("patterns of %s (-want +got):\n%s", host, diff)
		}
	}
}

func TestIntersect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b, want string // "" is nothing in common
	}{
		"the same name":                  {"a.b", "a.b", "a.b"},
		"different names":                {"a.b", "c.b", ""},
		"a name and a wildcard above":    {"a.b", "*.b", "a.b"},
		"a name and everything":          {"a.b", "*", "a.b"},
		"two wildcards":                  {"*.b", "*.a.b", "*.a.b"},
		"a wildcard is not its own root": {"b", "*.b", ""},
		"a wildcard needs a whole label": {"xb", "*.b", ""},
		"everything":                     {"*", "*", "*"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pair := range [][2]string{{tc.a, tc.b}, {tc.b, tc.a}} {
				if got, ok := intersect(pair[0], pair[1]); got != tc.want || ok != (tc.want != "") {
					t.Errorf("%s and %s have %q in common, want %q", pair[0], pair[1], got, tc.want)
				}
			}
		})
	}
}

func TestExported(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		exportTo   []string
		public     bool
		namespaces []string
	}{
		"nothing said is everybody":      {nil, true, nil},
		"a star is everybody":            {[]string{"a", "*"}, true, nil},
		"a dot is the own namespace":     {[]string{"."}, false, []string{"shop"}},
		"a tilde is nobody":              {[]string{"~"}, false, nil},
		"names are sorted and once":      {[]string{"z", "a", "z"}, false, []string{"a", "z"}},
		"the own namespace among others": {[]string{"z", "."}, false, []string{"shop", "z"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			public, namespaces := exported(tc.exportTo, "shop")
			if diff := cmp.Diff(tc.namespaces, namespaces); diff != "" || public != tc.public {
				t.Errorf("public %v, namespaces (-want +got):\n%s", public, diff)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	here := Locality{"r", "z", "s"}
	tests := map[string]struct {
		a, b Locality
		want int
	}{
		"the same subzone":     {here, here, 0},
		"the same zone":        {here, Locality{"r", "z", "other"}, 1},
		"the same region":      {here, Locality{"r", "other", "s"}, 2},
		"another region":       {here, Locality{"other", "z", "s"}, 3},
		"zones without region": {Locality{Zone: "z"}, Locality{Zone: "z"}, 0},
		"nowhere":              {Locality{}, Locality{}, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.a.Distance(tc.b); got != tc.want {
				t.Errorf("%v is %d from %v, want %d", tc.a, got, tc.b, tc.want)
			}
		})
	}
}
