package svid

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRenewAtIsAroundHalfOfTheLife(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	id := &Identity{NotBefore: start, NotAfter: start.Add(20 * time.Hour)}
	for draw, want := range map[float64]time.Duration{0: 9 * time.Hour, 0.5: 10 * time.Hour, 1: 11 * time.Hour} {
		if got := renewAt(id, draw).Sub(start).Round(time.Second); got != want {
			t.Errorf("for a draw of %v: after %s, want %s", draw, got, want)
		}
	}
}

func TestKeepTriesAgain(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	id := &Identity{NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	fetched, used := 0, 0
	err := Keep(ctx, func(context.Context) (*Identity, error) {
		if fetched++; fetched == 1 {
			return nil, errors.New("discovery is away")
		}
		return id, nil
	}, func(got *Identity) error {
		if used++; used == 1 {
			return errors.New("cannot be used")
		}
		cancel()
		return nil
	})
	if err != nil || fetched != 3 || used != 2 {
		t.Errorf("returns %v after %d fetches and %d uses, want nil after 3 and 2", err, fetched, used)
	}
}

func TestPausesGrowToALimit(t *testing.T) {
	t.Parallel()
	for _, longest := range []time.Duration{5 * time.Second, 30 * time.Second} {
		pause := newPause(longest)
		var last time.Duration
		for range 40 {
			last = pause.Step()
			if last <= 0 || last > longest*3/2 {
				t.Fatalf("pauses for %s", last)
			}
		}
		if last < longest {
			t.Errorf("the pause at the end is %s", last)
		}
	}
}
