package cmd

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/inject"
)

func injectCommand() *cobra.Command {
	var file, configFile, rootCertFile, namespace string
	c := &cobra.Command{
		Use:   "inject -f FILE --config FILE --root-cert FILE",
		Short: "Add the sidecar to the pods of manifests, without a cluster",
		Long: `Reads YAML or JSON with Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets,
Jobs, CronJobs, ReplicationControllers and Lists of them, and writes it with the
sidecar in every pod, as the injector's webhook would. Other objects pass
through. The config and the root certificate are the data of two ConfigMaps of
the mesh's namespace: the injector's, and meshwright-ca-root.`,
		Example: `  meshwright inject -f app.yaml --config inject.yaml --root-cert root-cert.pem | kubectl apply -f -`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := readInjectConfig(configFile)
			if err != nil {
				return err
			}
			rootCert, err := os.ReadFile(rootCertFile)
			if err != nil {
				return fmt.Errorf("read root certificate: %w", err)
			}
			input, err := openInput("manifests", file, c.InOrStdin())
			if err != nil {
				return err
			}
			defer func() { _ = input.Close() }()
			// Nothing is written unless all is well: the output is piped.
			var out bytes.Buffer
			notes, err := inject.Stream(&out, input, &inject.Input{Config: config, RootCert: string(rootCert), Namespace: namespace})
			if err != nil {
				return err
			}
			for _, note := range notes {
				if _, err := fmt.Fprintln(c.ErrOrStderr(), note); err != nil {
					return err
				}
			}
			_, err = out.WriteTo(c.OutOrStdout())
			return err
		},
	}
	c.Flags().StringVarP(&file, "filename", "f", "", "manifests to read; - is the standard input")
	c.Flags().StringVar(&configFile, "config", "", "the injector's config")
	c.Flags().StringVar(&rootCertFile, "root-cert", "", "the mesh's root certificates, PEM")
	c.Flags().StringVarP(&namespace, "namespace", "n", "default", "namespace of objects that name none")
	for _, required := range []string{"filename", "config", "root-cert"} {
		if err := c.MarkFlagRequired(required); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return c
}

func readInjectConfig(file string) (*inject.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read injection config: %w", err)
	}
	return inject.ParseConfig(data)
}
