package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/hack/cluster/build"
	"github.com/meshwright/meshwright/hack/cluster/images"
	"github.com/meshwright/meshwright/hack/cluster/node"
	"github.com/meshwright/meshwright/internal/test/assets"
)

func imagesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "images",
		Short: "Build the image of Meshwright and that of the tests' workload into the user's cache",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			archives, err := buildImages(cmd.Context(), cmd.ErrOrStderr())
			for _, archive := range archives {
				fmt.Fprintf(cmd.OutOrStdout(), "%s@%s %s\n", archive.Ref, archive.Digest, archive.Path)
			}
			return err
		},
	}
}

func loadCommand() *cobra.Command {
	var static []string
	cmd := forCluster("load", "Build images and give them to a running cluster", func(cmd *cobra.Command, cluster node.Cluster) error {
		return buildAndLoad(cmd.Context(), cmd.ErrOrStderr(), cluster, static)
	})
	addStatic(cmd, &static)
	return cmd
}

func addStatic(cmd *cobra.Command, static *[]string) {
	cmd.Flags().StringArrayVar(static, "static", nil,
		"also an image of one static program, NAME=PROGRAM, as "+images.Repository+"NAME:v0.1.0")
}

// buildAndLoad gives a cluster the images of the product, of the tests'
// workload and of the static programs, each NAME=PROGRAM.
func buildAndLoad(ctx context.Context, out io.Writer, cluster node.Cluster, static []string) error {
	archives, err := buildImages(ctx, out)
	if err != nil {
		return err
	}
	for _, pair := range static {
		name, program, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("read --static %q: want NAME=PROGRAM", pair)
		}
		archive, err := images.Write(images.Static(images.Repository+name+":v0.1.0", name, program))
		if err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	return load(ctx, out, cluster, archives)
}

func buildImages(ctx context.Context, out io.Writer) ([]images.Archive, error) {
	if err := build.Ensure(ctx, out, assets.Envoy); err != nil {
		return nil, err
	}
	product, err := images.Product(ctx)
	if err != nil {
		return nil, err
	}
	app, err := images.App(ctx)
	if err != nil {
		return nil, err
	}
	return []images.Archive{product, app}, nil
}

func load(ctx context.Context, out io.Writer, cluster node.Cluster, archives []images.Archive) error {
	if err := node.Load(ctx, cluster, archives...); err != nil {
		return err
	}
	for _, archive := range archives {
		fmt.Fprintf(out, "%s: has %s\n", cluster.Name, archive.Ref)
	}
	return nil
}
