package segment

const (
	radixBits = 11
	radixSize = 1 << radixBits
)

// sortedOrder returns the arrival number of each row once rows are sorted by
// (tenant, time, position), or nil when they already are. tenants holds the
// sorted-dictionary code of each arrival.
func sortedOrder(times []int64, tenants []uint32, numTenants int) []uint32 {
	if inOrder(times, tenants) {
		return nil
	}
	order := make([]uint32, len(times))
	for i := range order {
		order[i] = uint32(i)
	}
	order = radixByTime(order, times)
	if numTenants < 2 {
		return order
	}
	return countingSort(order, tenants, numTenants)
}

func inOrder(times []int64, tenants []uint32) bool {
	for i := 1; i < len(times); i++ {
		if tenants[i] < tenants[i-1] || tenants[i] == tenants[i-1] && times[i] < times[i-1] {
			return false
		}
	}
	return true
}

// radixByTime sorts order by time; equal times keep their order.
func radixByTime(order []uint32, times []int64) []uint32 {
	lo, hi := times[0], times[0]
	for _, t := range times {
		lo, hi = min(lo, t), max(hi, t)
	}
	span := uint64(hi) - uint64(lo)
	other := make([]uint32, len(order))
	var start [radixSize]uint32
	for shift := uint(0); shift < 64 && span>>shift != 0; shift += radixBits {
		clear(start[:])
		for _, t := range times {
			start[(uint64(t)-uint64(lo))>>shift&(radixSize-1)]++
		}
		startsOf(start[:])
		for _, i := range order {
			d := (uint64(times[i]) - uint64(lo)) >> shift & (radixSize - 1)
			other[start[d]] = i
			start[d]++
		}
		order, other = other, order
	}
	return order
}

// countingSort sorts order by key; equal keys keep their order.
func countingSort(order, keys []uint32, numKeys int) []uint32 {
	start := make([]uint32, numKeys)
	for _, k := range keys {
		start[k]++
	}
	startsOf(start)
	sorted := make([]uint32, len(order))
	for _, i := range order {
		k := keys[i]
		sorted[start[k]] = i
		start[k]++
	}
	return sorted
}

// startsOf turns counts into the sums of those before.
func startsOf(counts []uint32) {
	sum := uint32(0)
	for i, c := range counts {
		counts[i] = sum
		sum += c
	}
}

// gather sets dst[row] = src[order[row]]; a nil order copies.
func gather[T any](dst, src []T, order []uint32) {
	if order == nil {
		copy(dst, src)
		return
	}
	for row, i := range order {
		dst[row] = src[i]
	}
}
