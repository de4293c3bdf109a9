package traffic

import "testing"

func TestTraffic(t *testing.T) {
	t.Parallel()
	cases := ReadCases(t, "testdata/cases")
	w := NewWorld(t, readFile(t, "testdata/world.yaml"), cases)
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
