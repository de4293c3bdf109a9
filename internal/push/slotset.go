package push

import "math/bits"

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
