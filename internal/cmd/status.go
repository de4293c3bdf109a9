package cmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func statusCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	c := &cobra.Command{
		Use:   "status",
		Short: "Print each MeshInstall with its components",
		Long: "Print each MeshInstall of the cluster, its components and what is wrong with them.\n" +
			"Exit code 1 says that one is not ready.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.ToRESTConfig()
			if err != nil {
				return fmt.Errorf("find the API server: %w", err)
			}
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				return err
			}
			reader, err := client.New(config, client.Options{Scheme: scheme})
			if err != nil {
				return fmt.Errorf("connect to the API server: %w", err)
			}
			var installs v1alpha1.MeshInstallList
			if err := reader.List(c.Context(), &installs); err != nil {
				return fmt.Errorf("list MeshInstalls: %w", err)
			}
			return printStatus(c.OutOrStdout(), installs.Items)
		},
	}
	flags.AddFlags(c.Flags())
	return c
}

// printStatus prints installs and is an error when one is not ready.
func printStatus(out io.Writer, installs []v1alpha1.MeshInstall) error {
	if len(installs) == 0 {
		_, err := fmt.Fprintln(out, "There is no MeshInstall.")
		return err
	}
	var unready []string
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range installs {
		install := &installs[i]
		ready := meta.FindStatusCondition(install.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			ready = &metav1.Condition{Status: metav1.ConditionUnknown, Message: "no operator has looked at it yet"}
		}
		if ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != install.Generation {
			unready = append(unready, install.Name)
		}
		fmt.Fprintf(w, "MeshInstall %s\tversion %s\tprofile %s\tready %s\t%s\n", install.Name, install.Spec.Version, install.Spec.Profile, ready.Status, ready.Message)
		for _, c := range install.Status.Components {
			fmt.Fprintf(w, "  %s\t%d/%d\t%s\t\t%s\n", c.Name, c.Ready, c.Desired, strings.Join(c.Addresses, ","), c.Message)
		}
		for _, r := range install.Status.Revisions {
			fmt.Fprintf(w, "  revision %s\tversion %s\t%s\t\t\n", r.Name, r.Version, r.Phase)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(unready) > 0 {
		return fmt.Errorf("not ready: %s", strings.Join(unready, ", "))
	}
	return nil
}
