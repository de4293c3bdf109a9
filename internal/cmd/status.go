package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

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
	watch := false
	c := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Print each MeshInstall with its components and the update under way",
		Long: "Print each MeshInstall of the cluster, or those named, its components, what is wrong with them, and how\n" +
			"far an update is: its step, each gate with value and threshold, who is restarted and who\n" +
			"blocks. Exit code 1 says that one is not ready. With -w it is printed again whenever it\n" +
			"changes, until interrupted.",
		RunE: func(c *cobra.Command, names []string) error {
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
			if watch {
				return watchStatus(c.Context(), c.OutOrStdout(), reader, names)
			}
			installs, err := readInstalls(c.Context(), reader, names)
			if err != nil {
				return err
			}
			return printStatus(c.OutOrStdout(), installs)
		},
	}
	flags.AddFlags(c.Flags())
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print again whenever something changes")
	return c
}

// readInstalls reads the MeshInstalls of these names, or all without any.
func readInstalls(ctx context.Context, reader client.Reader, names []string) ([]v1alpha1.MeshInstall, error) {
	var all v1alpha1.MeshInstallList
	if err := reader.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list MeshInstalls: %w", err)
	}
	if len(names) == 0 {
		return all.Items, nil
	}
	var out []v1alpha1.MeshInstall
	for _, name := range names {
		at := slices.IndexFunc(all.Items, func(i v1alpha1.MeshInstall) bool { return i.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no MeshInstall %s; there are: %s", name, installNames(all.Items))
		}
		out = append(out, all.Items[at])
	}
	return out, nil
}

func installNames(installs []v1alpha1.MeshInstall) string {
	var names []string
	for _, i := range installs {
		names = append(names, i.Name)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// statusPoll is how often the API server is asked with -w.
const statusPoll = time.Second

// watchStatus prints whenever the text becomes another one, until ctx ends. An
// API server that does not answer for a while is waited for, and so is a name.
func watchStatus(ctx context.Context, out io.Writer, reader client.Reader, names []string) error {
	last := ""
	for {
		var text strings.Builder
		if installs, err := readInstalls(ctx, reader, names); err != nil {
			fmt.Fprintf(&text, "Nothing to show: %v\n", err)
		} else {
			_ = printStatus(&text, installs) // that one is not ready is in the text
		}
		if now := text.String(); now != last && ctx.Err() == nil {
			last = now
			if _, err := fmt.Fprintf(out, "%s\n%s\n", time.Now().Format(time.TimeOnly), now); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(statusPoll):
		}
	}
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
			fmt.Fprintf(w, "  revision %s\tversion %s\t%s\t%s\t\n", r.Name, r.Version, r.Phase, shareOf(r))
		}
		if u := install.Status.Unmeshed; u != nil {
			fmt.Fprintf(w, "  without a sidecar\t%d\t\t\t%s\n", u.Workloads, strings.Join(u.Names, ", "))
		}
		printUpdate(w, install.Status.Update)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(unready) > 0 {
		return fmt.Errorf("not ready: %s", strings.Join(unready, ", "))
	}
	return nil
}

// shareOf says how much of the mesh a revision has, where that is known.
func shareOf(r v1alpha1.RevisionStatus) string {
	var parts []string
	if r.Namespaces != nil {
		parts = append(parts, fmt.Sprintf("%d namespaces", *r.Namespaces))
	}
	if r.Proxies != nil {
		parts = append(parts, fmt.Sprintf("%d proxies", *r.Proxies))
	}
	return strings.Join(parts, ", ")
}

// printUpdate prints the update under way, or the one that failed.
func printUpdate(w io.Writer, u *v1alpha1.UpdateStatus) {
	if u == nil {
		return
	}
	fmt.Fprintf(w, "  update\tstep %d of %d\t\t\t\n", u.Step, u.Steps)
	for _, g := range u.Gates {
		state := "open"
		if !g.OK {
			state = "shut"
		}
		fmt.Fprintf(w, "    gate %s\t%s\t%s\twanted %s\t%s\n", g.Name, state, g.Value, g.Threshold, g.Message)
	}
	if n := u.Workloads; n != nil && n.Total > 0 {
		fmt.Fprintf(w, "    workloads\t%d of %d moved\t%d waiting\t%d skipped, %d failed\t\n", n.Moved, n.Total, n.Waiting, n.Skipped, n.Failed)
	}
	for _, b := range u.BlockedBy {
		fmt.Fprintf(w, "    blocked by\t\t\t\t%s\n", b)
	}
}
