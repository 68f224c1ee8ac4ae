package store

import (
	"fmt"
	"testing"

	"github.com/zeebo/xxh3"
)

// Whoever sends texts that share the low bits of the plain hash must not make
// the table a list.
func TestTextsCannotBeChosenToShareSlots(t *testing.T) {
	in := newInterner()
	for i, n := 0, 0; n < 500; i++ {
		if s := fmt.Sprint(i); xxh3.HashString(s)&0xfff == 0 {
			in.add(s)
			n++
		}
	}
	longest, run := 0, 0
	for _, slot := range in.slots {
		run++
		if slot == 0 {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest > 100 { // by chance about 20
		t.Errorf("%d texts in a row", longest)
	}
}
