package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/hack/cluster/build"
	"github.com/meshwright/meshwright/internal/test/assets"
)

func assetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "assets [group ...]",
		Short: "Build programs that are not ours into the user's cache; all groups, or those named",
		RunE: func(cmd *cobra.Command, names []string) error {
			groups := assets.Groups()
			for _, name := range names {
				if !slices.ContainsFunc(groups, func(group assets.Group) bool { return group.Name == name }) {
					return fmt.Errorf("build %s: no such group", name)
				}
			}
			if len(names) > 0 {
				groups = slices.DeleteFunc(groups, func(group assets.Group) bool { return !slices.Contains(names, group.Name) })
			}
			return build.Ensure(cmd.Context(), cmd.ErrOrStderr(), groups...)
		},
	}
}

func programCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "program NAME",
		Short: "Print the path of a program in the cache, such as kubectl",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := assets.Find(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
			return err
		},
	}
}
