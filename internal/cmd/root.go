package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/version"
)

// ExitError carries the exit code of a subcommand that speaks by it, as diff
// does: 0 nothing to say, 1 a difference, 2 trouble.
type ExitError struct {
	Code int
	Err  error
}

// Error is the text for the person; Unwrap gives the cause.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode is the process's exit code for what Root returned: that of an
// ExitError, else 1, and 0 for nil.
func ExitCode(err error) int {
	var exit *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	default:
		return 1
	}
}

// Root is the meshwright command with all its subcommands.
func Root() *cobra.Command { return rootNamed(filepath.Base(os.Args[0])) }

// pluginName is what kubectl looks for on the PATH to run kubectl meshwright.
const pluginName = "kubectl-meshwright"

// rootNamed is the command as the file that was run is named. As a plugin it
// speaks of itself as one types it.
func rootNamed(file string) *cobra.Command {
	root := subcommands()
	if strings.TrimSuffix(file, ".exe") != pluginName {
		return root
	}
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl meshwright"}
	for _, c := range root.Commands() {
		c.Example = strings.ReplaceAll(c.Example, "  meshwright ", "  kubectl meshwright ")
		c.Example = strings.ReplaceAll(c.Example, "| meshwright ", "| kubectl meshwright ")
	}
	return root
}

func subcommands() *cobra.Command {
	root := &cobra.Command{
		Use:           "meshwright",
		Short:         "Runs and manages a service mesh on Kubernetes",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		agentCommand(), leaveCommand(), backupCommand(),
		operatorCommand(),
		renderCommand(), restoreCommand(), diffCommand(),
		injectCommand(),
		injectorCommand(),
		redirectCommand(),
		discoveryCommand(),
		checkCommand(), convertCommand(), gatherCommand(),
		proxiesCommand(),
		statusCommand(),
		versionCommand(),
	)
	return root
}
