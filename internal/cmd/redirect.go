package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/agent/pod"
	"github.com/meshwright/meshwright/internal/redirect"
	"github.com/meshwright/meshwright/internal/redirect/capture"
)

func redirectCommand() *cobra.Command {
	var annotationsFile string
	var dryRun bool
	c := &cobra.Command{
		Use:   "redirect",
		Short: "Lead the TCP connections of this pod through its proxy",
		Long: `Writes one nftables table (inet meshwright) into the network namespace it runs
in: outbound connections go to port 15001, inbound ones to 15006. What is left
out stands in the pod's annotations traffic.sidecar.istio.io/*. It runs as the
first init container of an injected pod and needs CAP_NET_ADMIN.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			annotations, err := pod.ReadMap(annotationsFile)
			if err != nil {
				return err
			}
			captured, err := capture.FromAnnotations(annotations)
			if err != nil {
				return err
			}
			chains := captured.Rules()
			// The rules are printed in any case: the log of the init
			// container is where people look for them.
			if _, err := fmt.Fprint(c.OutOrStdout(), capture.Text(chains)); err != nil || dryRun {
				return err
			}
			return redirect.Apply(chains)
		},
	}
	c.Flags().StringVar(&annotationsFile, "annotations-file", "", "file of the pod's annotations, written by the downward API; none captures all")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print the rules as an nft script and change nothing")
	return c
}
