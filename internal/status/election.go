package status

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// LeaseName is the Lease, in the mesh's namespace, by which the one writer of
// all revisions is elected.
const LeaseName = "meshwright-status"

// Kubernetes' own choices for its components.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// Run stands for election and writes while elected, until ctx ends; the Lease is
// then given back. Start it when the Problems of all objects, derived ones
// included, were handed in: else a Warning that holds would be taken back and
// written again at each start.
func (w *Writer) Run(ctx context.Context) error {
	ctx = logr.NewContext(ctx, w.log)
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: w.config.Namespace, Name: LeaseName},
				Client:     w.leases.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: w.config.Identity},
			},
			LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
			ReleaseOnCancel: true,
			Name:            LeaseName,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					w.log.Info("Writing status: elected")
					w.lead(ctx)
				},
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			return fmt.Errorf("stand for election: %w", err)
		}
		elector.Run(ctx)
	}
	return nil
}
