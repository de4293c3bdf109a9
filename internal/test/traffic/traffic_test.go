package traffic

import (
	"os"
	"testing"
)

func TestTraffic(t *testing.T) {
	t.Parallel()
	cases := ReadCases(t, "testdata/cases")
	objects, err := os.ReadFile("testdata/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := NewWorld(t, objects, cases)
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				w.Run(t, c)
			})
		}
	})
	w.Check(t)
}
