package build

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// reportEvery is the time between two lines of progress.
const reportEvery = 10 * time.Second

// compile builds one Go program into dir. The Go tool names each package that
// it compiles; their number is the progress that is shown.
func compile(ctx context.Context, out io.Writer, group assets.Group, target assets.Target, source, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-buildvcs=false",
		"-ldflags", group.LDFlags, "-o", filepath.Join(dir, target.Program), target.Package)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=", "GOWORK=off")
	var progress compileProgress
	cmd.Stderr = &progress
	stop := progress.report(out, target.Program)
	err := cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("compile %s: %w\n%s", target.Program, err, progress.tail.String())
	}
	return nil
}

// compileProgress reads what `go build -v` prints.
type compileProgress struct {
	packages, downloads atomic.Int64
	// tail is what was printed that is neither a package nor a download: the
	// errors. Only the goroutine that copies the output writes it.
	tail bytes.Buffer
}

// Write counts the lines; it is called by one goroutine.
func (p *compileProgress) Write(data []byte) (int, error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "go: downloading "):
			p.downloads.Add(1)
		case !strings.ContainsAny(line, " :"):
			p.packages.Add(1)
		default:
			fmt.Fprintln(&p.tail, line)
		}
	}
	return len(data), nil
}

// report prints a line of progress at intervals until stop is called.
func (p *compileProgress) report(out io.Writer, program string) (stop func()) {
	start, done := time.Now(), make(chan struct{})
	go func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Fprintf(out, "  %s: %s, %d modules fetched, %d packages compiled\n",
					program, time.Since(start).Round(time.Second), p.downloads.Load(), p.packages.Load())
			}
		}
	}()
	return func() { close(done) }
}
