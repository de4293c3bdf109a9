package svid

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Keep calls use with a first Identity and with each one after, until ctx ends;
// it returns nil then. An Identity is renewed around half of its life, a tenth
// of it sooner or later so that pods which started together do not ask
// together. Attempts that fail, and those whose result use refuses, are
// repeated with growing pauses without end.
func Keep(ctx context.Context, fetch func(context.Context) (*Identity, error), use func(*Identity) error) error {
	log := logr.FromContextOrDiscard(ctx)
	// Nothing works before the first one: a pod that starts before discovery
	// must not wait long after it.
	pause := newPause(5 * time.Second)
	for {
		id, err := fetch(ctx)
		if err == nil {
			err = use(id)
		}
		var next time.Duration
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			next = pause.Step()
			log.Error(err, "Fetching workload certificate", "retryIn", next)
		} else {
			pause = newPause(30 * time.Second)
			due := renewAt(id, rand.Float64())
			next = max(time.Until(due), time.Second)
			log.Info("Got workload certificate", "notAfter", id.NotAfter, "renewAt", due)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

func newPause(longest time.Duration) *wait.Backoff {
	return &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 16, Cap: longest}
}

// renewAt is between 45 and 55 per cent of the certificate's life; draw is in
// [0,1).
func renewAt(id *Identity, draw float64) time.Time {
	life := id.NotAfter.Sub(id.NotBefore)
	return id.NotBefore.Add(time.Duration((0.45 + 0.1*draw) * float64(life)))
}
