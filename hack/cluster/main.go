// Command cluster starts and stops a real Kubernetes of one node on this
// machine, and builds what it runs. `make help` at the root of the repository
// lists the targets that call it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "Runs a real one-node Kubernetes on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(assetsCommand(), programCommand(), upCommand(), downCommand(), kubeconfigCommand(), imagesCommand(), loadCommand(), runCommand(), initCommand(), superviseCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
