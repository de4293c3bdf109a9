package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/meshwright/meshwright/internal/inject/webhook"
)

func injectorCommand() *cobra.Command {
	var o webhook.Options
	var configFile, kubeconfig string
	c := &cobra.Command{
		Use:   "injector",
		Short: "Run the webhook that adds the sidecar to pods",
		Long: `Answers the API server's admission requests for pods, keeps its own certificate
in the Secret meshwright-injector-cert, and writes the caBundle of its
MutatingWebhookConfiguration. Metrics, /healthz and /readyz are on
--http-address.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Config, err = readInjectConfig(configFile); err != nil {
				return err
			}
			connection, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read kubeconfig: %w", err)
			}
			ctrl.SetLogger(zap.New())
			return webhook.Run(c.Context(), connection, o)
		},
	}
	f := c.Flags()
	f.StringVar(&configFile, "config", "/etc/meshwright/inject.yaml", "what pods get")
	f.StringVar(&o.WebhookName, "webhook-name", "meshwright-injector", "name of the MutatingWebhookConfiguration")
	f.StringVar(&o.Service, "service", "meshwright-injector", "name of the Service by which the API server reaches this process")
	f.StringVar(&o.Listen, "listen", ":9443", "address of the webhook")
	f.StringVar(&o.HTTPAddress, "http-address", ":15014", "address of metrics and health")
	f.StringVar(&kubeconfig, "kubeconfig", "", "file to connect with; none means from inside the cluster")
	return c
}
