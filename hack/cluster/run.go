package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/hack/cluster/node"
)

// stopWithin is how long an interrupted command may take to end.
const stopWithin = 30 * time.Second

func runCommand() *cobra.Command {
	var name string
	var more extras
	cmd := &cobra.Command{
		Use:   "run [--name NAME] -- COMMAND ARGUMENT...",
		Short: "Run a command against a cluster with our images, and stop the cluster if it was not up before",
		Long: "Run a command against a cluster with our images. KUBECONFIG in the command's environment is the cluster's.\n" +
			"A cluster that was not up before is stopped in the end, also after a failure or an interrupt.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				name = node.TemporaryName()
			}
			cluster, err := node.New(name)
			if err != nil {
				return err
			}
			return runAgainst(cmd.Context(), cmd.ErrOrStderr(), cluster, more, args)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the cluster (default: one of its own for this run)")
	more.addFlags(cmd)
	return cmd
}

func runAgainst(ctx context.Context, out io.Writer, cluster node.Cluster, more extras, args []string) (err error) {
	if err := node.StopAbandoned(out); err != nil {
		return err
	}
	if !cluster.Running() {
		if err := up(ctx, out, cluster); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, node.Stop(cluster, out)) }()
	}
	if err := buildAndLoad(ctx, out, cluster, more); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig())
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = stopWithin
	if err := command.Run(); err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}
