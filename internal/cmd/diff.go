package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/meshwright/meshwright/controllers"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// Exit codes of diff, as diff and kubectl diff have them.
const (
	exitDiffers = 1
	exitTrouble = 2
)

func diffCommand() *cobra.Command {
	var file, image string
	flags := genericclioptions.NewConfigFlags(true)
	c := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Print what a MeshInstall would change in the cluster",
		Long: "Print what a MeshInstall would change in the cluster once all of it is done, as unified diffs.\n" +
			"Nothing is written. Objects of two revisions that stand for one another are compared.\n" +
			"Exit code 0 says that nothing would change, 1 that something would, 2 that it could not be told.",
		RunE: func(c *cobra.Command, args []string) error {
			err := runDiff(c, flags, args, file, image)
			var exit *ExitError
			if err == nil || errors.As(err, &exit) {
				return err
			}
			return &ExitError{exitTrouble, err}
		},
	}
	flags.AddFlags(c.Flags())
	c.Flags().StringVarP(&file, "filename", "f", "", "the MeshInstall; - is standard input")
	c.Flags().StringVar(&image, "image", "", "image of all components (default "+plan.DefaultImage("VERSION")+", or $"+plan.ImageVariable("VERSION")+")")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &ExitError{exitTrouble, err} })
	return c
}

func runDiff(c *cobra.Command, flags *genericclioptions.ConfigFlags, args []string, file, image string) error {
	if file == "" || len(args) > 0 {
		return errors.New("give the MeshInstall with -f FILE, and nothing else")
	}
	f, err := readInstall(file, c.InOrStdin())
	if err != nil {
		return err
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	texts, _ := f.valuesFrom() // what is not in the file is read from the cluster
	imageOf := func(version string) string { return cmp.Or(image, plan.Image(version, os.LookupEnv)) }
	planned, err := controllers.Preview(c.Context(), config, imageOf, f.install, texts)
	if err != nil {
		return fmt.Errorf("compare MeshInstall %s: %w", f.install.Name, err)
	}
	text, err := controllers.DiffText(planned)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(c.OutOrStdout(), text); err != nil {
		return err
	}
	if n := apply.Count(planned); n.Create+n.Update+n.Delete > 0 {
		return &ExitError{exitDiffers, fmt.Errorf("the cluster differs: %d objects to create, %d to update, %d to delete", n.Create, n.Update, n.Delete)}
	}
	return nil
}
