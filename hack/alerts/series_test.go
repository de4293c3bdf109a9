package alerts

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// scrape is how often the series of these tests have a sample; the first is at
// the beginning of time.
const scrape = time.Minute

// world is what Prometheus has stored.
type world []promql.Series

// parse reads lines of series as promtool's tests have them: metric, then the
// values, where 1x3 is 1 and three times more, 0+2x3 adds 2 each time, and _ is
// no sample.
func parse(t *testing.T, text string) (out world, end time.Time) {
	t.Helper()
	last := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		metric, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		series := promql.Series{Metric: metric}
		for i, v := range values {
			if !v.Omitted {
				series.Floats = append(series.Floats, promql.FPoint{T: at(i).UnixMilli(), F: v.Value})
			}
		}
		out, last = append(out, series), max(last, len(values)-1)
	}
	return out, at(last)
}

func at(scrapes int) time.Time { return time.Unix(0, 0).Add(time.Duration(scrapes) * scrape) }

// Querier implements storage.Queryable.
func (w world) Querier(int64, int64) (storage.Querier, error) { return querier{world: w}, nil }

// querier is a world to read from; of labels alone the engine asks nothing.
type querier struct {
	storage.LabelQuerier
	world world
}

func (querier) Close() error { return nil }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &set{}
	for _, s := range q.world {
		matches := true
		for _, m := range matchers {
			matches = matches && m.Matches(s.Metric.Get(m.Name))
		}
		if matches {
			found.left = append(found.left, s)
		}
	}
	return found
}

// set hands out series.
type set struct {
	left []promql.Series
	now  promql.Series
}

func (s *set) Next() bool {
	if len(s.left) == 0 {
		return false
	}
	s.now, s.left = s.left[0], s.left[1:]
	return true
}

func (s *set) At() storage.Series              { return promql.NewStorageSeries(s.now) }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }
