package redirect

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ReadAnnotations reads a file that the kubelet wrote from a downward API
// field such as metadata.annotations: lines of key="value", where the value is
// quoted as a Go string.
func ReadAnnotations(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	annotations := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		key, quoted, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("read annotations %s: no = in line %q", path, line)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("read annotations %s: value of %s: %w", path, key, err)
		}
		annotations[key] = value
	}
	return annotations, nil
}
