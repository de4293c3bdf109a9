package inject

import (
	"strings"
	"testing"
)

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"an unknown key":         {testConfig + "imagee: x\n", "imagee"},
		"nothing at all":         {"", "image: must not be empty"},
		"an empty trust domain":  {strings.Replace(testConfig, "cluster.local", `""`, 1), "trustDomain: must not be empty"},
		"an unknown level":       {testConfig + "logLevel: loud\n", `logLevel: "loud"`},
		"less than no thread":    {testConfig + "concurrency: -1\n", "concurrency: -1"},
		"resources of bad form":  {strings.Replace(testConfig, "10m", "ten", 1), "quantities"},
		"an unknown pull policy": {testConfig + "imagePullPolicy: Sometimes\n", `imagePullPolicy: "Sometimes"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseConfig([]byte(tc.in))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}
