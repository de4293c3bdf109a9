package push

import (
	"iter"
	"math/bits"
)

// slotset is a set of slots: a few kilobytes for all names of a large mesh.
type slotset []uint64

func (s slotset) has(slot int) bool {
	return slot>>6 < len(s) && s[slot>>6]&(1<<(slot&63)) != 0
}

func (s *slotset) add(slot int) {
	if grow := slot>>6 + 1 - len(*s); grow > 0 {
		*s = append(*s, make([]uint64, grow)...)
	}
	(*s)[slot>>6] |= 1 << (slot & 63)
}

func (s slotset) remove(slot int) {
	if slot>>6 < len(s) {
		s[slot>>6] &^= 1 << (slot & 63)
	}
}

func (s slotset) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// differs gives the slots that one of both sets has.
func (s slotset) differs(o slotset) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range max(len(s), len(o)) {
			var w uint64
			if i < len(s) {
				w = s[i]
			}
			if i < len(o) {
				w ^= o[i]
			}
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

func (s slotset) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// all gives the slots in order. What is removed meanwhile may still come.
func (s slotset) all() iter.Seq[int] { return s.differs(nil) }
