package cmd

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/agent"
	"github.com/meshwright/meshwright/internal/agent/bootstrap"
)

func leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "leave",
		Short: "Tell the agent of this pod that the pod ends, and wait until it may",
		Long: `leave is the preStop hook of the sidecar. It returns when the agent says that
nobody sends requests to the pod any more, or that there is no time left.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return tellAgent(c.Context(), bootstrap.DefaultPorts().Status)
		},
	}
}

func tellAgent(ctx context.Context, port int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+agent.DrainPath, nil)
	if err != nil {
		return fmt.Errorf("tell the agent: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("tell the agent: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("tell the agent: %s", response.Status)
	}
	return nil
}
