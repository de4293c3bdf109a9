package cmd

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/meshwright/meshwright/controllers"
	"github.com/meshwright/meshwright/internal/install/plan"
)

func operatorCommand() *cobra.Command {
	options := controllers.Options{Image: func(version string) string { return plan.Image(version, os.LookupEnv) }}
	c := &cobra.Command{
		Use:   "operator",
		Short: "Run the operator, which installs what each MeshInstall says",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctrl.SetLogger(zap.New())
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("find the API server: %w", err)
			}
			manager, err := controllers.NewManager(config, options)
			if err != nil {
				return err
			}
			return manager.Start(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.Namespace, "namespace", envOr("POD_NAMESPACE", "meshwright-operator"), "namespace of the operator and its lease")
	flags.StringSliceVar(&options.MeshNamespaces, "mesh-namespaces", []string{"mesh-system"}, "namespaces in which a control plane may live")
	flags.StringSliceVar(&options.GatewayNamespaces, "gateway-namespaces", []string{"mesh-ingress", "mesh-egress"}, "namespaces in which gateways may live")
	flags.StringVar(&options.MetricsAddress, "metrics-address", "127.0.0.1:8080", "where metrics are served, without authentication; 0 turns them off")
	flags.StringVar(&options.HealthAddress, "health-address", ":8081", "where /healthz and /readyz are served; 0 turns them off")
	flags.StringVar(&options.DiscoveryTokenFile, "discovery-token-file", "/var/run/secrets/meshwright/token", "file with the token that discovery's debug endpoint asks for")
	flags.StringVar(&options.OperatorCondition, "operator-condition", os.Getenv("OPERATOR_CONDITION_NAME"), "name of OLM's OperatorCondition in the operator's namespace (default $OPERATOR_CONDITION_NAME, which OLM sets)")
	flags.DurationVar(&options.LeaseDuration, "lease-duration", 15*time.Second, "how long a silent leader stays leader")
	return c
}

func envOr(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
