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
	var more extras
	cmd := forCluster("load", "Build images and give them to a running cluster", func(cmd *cobra.Command, cluster node.Cluster) error {
		return buildAndLoad(cmd.Context(), cmd.ErrOrStderr(), cluster, more)
	})
	more.addFlags(cmd)
	return cmd
}

// extras are images beside those of the product and of the tests' workload.
type extras struct {
	// static are programs, each NAME=PROGRAM.
	static []string
	// upgrades asks for two versions more of the product.
	upgrades bool
}

func (e *extras) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&e.static, "static", nil,
		"also an image of one static program, NAME=PROGRAM, as "+images.Repository+"NAME:v0.1.0")
	cmd.Flags().BoolVar(&e.upgrades, "upgrades", false, "also two versions more of Meshwright, to test updates with")
}

// buildAndLoad gives a cluster the images of the product and of the tests'
// workload, and more.
func buildAndLoad(ctx context.Context, out io.Writer, cluster node.Cluster, more extras) error {
	archives, err := buildImages(ctx, out)
	if err != nil {
		return err
	}
	if more.upgrades {
		versions, err := images.Upgrades(ctx)
		if err != nil {
			return err
		}
		archives = append(archives, versions...)
	}
	for _, pair := range more.static {
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
