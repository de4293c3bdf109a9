package controllers

import (
	"testing"
	"time"
)

func TestTheNinetyNinthOfAHundred(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 200 {
		times = append(times, time.Duration(200-i))
	}
	for name, tc := range map[string]struct {
		times []time.Duration
		want  time.Duration
	}{
		"none":        {nil, 0},
		"one":         {[]time.Duration{7}, 7},
		"two hundred": {times, 198},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := percentile99(tc.times); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
