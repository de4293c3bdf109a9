package istio

import (
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// duration reads a duration of whole milliseconds, at least one; nil is 0.
func (r reader) duration(at *field.Path, d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	out := d.AsDuration()
	switch {
	case d.CheckValid() != nil || out < 0:
		r.refuse(at, "%v is negative; write a duration of 1ms or more", out)
	case out < time.Millisecond:
		r.refuse(at, "%v is too short; write 1ms or more, or remove the field", out)
	case out%time.Millisecond != 0:
		r.refuse(at, "%v is finer than a millisecond; write whole milliseconds", out)
	}
	return out
}

// timeout is a duration where 0s means none.
func (r reader) timeout(at *field.Path, d *durationpb.Duration) time.Duration {
	if d != nil && d.GetSeconds() == 0 && d.GetNanos() == 0 {
		return 0
	}
	return r.duration(at, d)
}

// optionalTimeout tells 0s, which means none, from a field that is not set.
func (r reader) optionalTimeout(at *field.Path, d *durationpb.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	out := r.timeout(at, d)
	return &out
}

func (r reader) port(at *field.Path, number uint32) int32 {
	if number < 1 || number > 65535 {
		r.refuse(at, "%d is not a port; write a number from 1 to 65535", number)
		return 0
	}
	return int32(number)
}

func (r reader) notNegative(at *field.Path, n int32) int32 {
	if n < 0 {
		r.refuse(at, "%d is negative; write 0 or more", n)
	}
	return n
}

func (r reader) percent(at *field.Path, n int32) int32 {
	if n < 0 || n > 100 {
		r.refuse(at, "%d is not a percentage; write a number from 0 to 100", n)
	}
	return n
}

// regex refuses what RE2 does not take: Go's syntax is RE2's.
func (r reader) regex(at *field.Path, expression string) {
	if _, err := regexp.Compile(expression); err != nil {
		r.refuse(at, "%v; write it in RE2 syntax (no look-around, no back-references)", err)
	}
}

// substitution refuses references to groups that the expression does not have.
func (r reader) substitution(at *field.Path, expression, text string) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		switch {
		case i == len(text):
			r.refuse(at, `ends in a lone "\"; write "\\" for the character itself`)
		case text[i] == '\\':
		case text[i] < '0' || text[i] > '9':
			r.refuse(at, `"\%c" is not a reference; write "\1" for the first group, "\\" for the character itself`, text[i])
		case int(text[i]-'0') > re.NumSubexp():
			r.refuse(at, `"\%c" names a group that match does not have; it has %d`, text[i], re.NumSubexp())
		}
	}
}
