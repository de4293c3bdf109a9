package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/hack/cluster/build"
	"github.com/meshwright/meshwright/hack/cluster/node"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// forCluster is a command with the name of a cluster as its one argument.
func forCluster(use, short string, run func(*cobra.Command, node.Cluster) error) *cobra.Command {
	return &cobra.Command{
		Use:   use + " NAME",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, err := node.New(args[0])
			if err != nil {
				return err
			}
			return run(cmd, cluster)
		},
	}
}

func upCommand() *cobra.Command {
	return forCluster("up", "Start a cluster, or see that it runs", func(cmd *cobra.Command, cluster node.Cluster) error {
		return up(cmd.Context(), cmd.ErrOrStderr(), cluster)
	})
}

// up starts a cluster, after it has made sure of all that it needs.
func up(ctx context.Context, out io.Writer, cluster node.Cluster) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("start %s: a node needs root", cluster.Name)
	}
	if err := ensurePackages(ctx, out); err != nil {
		return err
	}
	if err := build.Ensure(ctx, out, assets.Kube, assets.Containerd, assets.CoreDNS); err != nil {
		return err
	}
	return node.Start(ctx, cluster, out)
}

func downCommand() *cobra.Command {
	return forCluster("down", "Stop a cluster and remove all of it but its logs", func(cmd *cobra.Command, cluster node.Cluster) error {
		return node.Stop(cluster, cmd.ErrOrStderr())
	})
}

func kubeconfigCommand() *cobra.Command {
	return forCluster("kubeconfig", "Print the path of a cluster's kubeconfig", func(cmd *cobra.Command, cluster node.Cluster) error {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), cluster.Kubeconfig())
		return err
	})
}

// initCommand and superviseCommand are what a cluster's own processes run.
func initCommand() *cobra.Command {
	cmd := forCluster("init", "First process of a cluster", func(_ *cobra.Command, cluster node.Cluster) error {
		return node.Init(cluster)
	})
	cmd.Hidden = true
	return cmd
}

func superviseCommand() *cobra.Command {
	cmd := forCluster("supervise", "Keeper of a cluster's programs", func(cmd *cobra.Command, cluster node.Cluster) error {
		return node.Supervise(cmd.Context(), cluster)
	})
	cmd.Hidden = true
	return cmd
}
