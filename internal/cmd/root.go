package cmd

import (
	"errors"

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
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:           "meshwright",
		Short:         "Runs and manages a service mesh on Kubernetes",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		agentCommand(), backupCommand(),
		operatorCommand(),
		renderCommand(), restoreCommand(), diffCommand(),
		injectCommand(),
		injectorCommand(),
		redirectCommand(),
		discoveryCommand(),
		checkCommand(), gatherCommand(),
		proxiesCommand(),
		statusCommand(),
		versionCommand(),
	)
	return root
}
