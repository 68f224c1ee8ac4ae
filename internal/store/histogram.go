package store

import (
	"math"
	"time"

	"annal"
)

// bucket counts an event in its interval. Events come nearly in order of time,
// so that most are in the interval of the one before.
func (c *counting) bucket(key int64, outcome uint8) {
	if c.near == nil || key < c.nearMin || key > c.nearMax {
		c.turnTo(key)
	}
	c.near.N++
	if outcome != uint8(annal.Success) {
		c.near.Failed++
	}
}

// turnTo makes near the interval of key. When there are too many intervals for an
// answer, that is known for certain, and no more are kept.
func (c *counting) turnTo(key int64) {
	if len(c.buckets) > annal.MaxBuckets {
		c.nearMin, c.nearMax = math.MinInt64, math.MaxInt64
		return
	}
	length := int64(c.agg.Interval)
	i, into := key/length, key%length
	if into < 0 {
		i, into = i-1, into+length
	}
	if c.near = c.buckets[i]; c.near == nil {
		// At the ends of time, an interval begins where no key is.
		c.near = &annal.Bucket{Start: annal.KeyTime(key).Add(-time.Duration(into))}
		c.buckets[i] = c.near
	}
	c.nearMin, c.nearMax = key, key // at the ends of time, the product may run over
	if i > math.MinInt64/length && i < math.MaxInt64/length-1 {
		c.nearMin, c.nearMax = i*length, i*length+length-1
	}
}

// histogram lists the intervals from the first with events to the last, without
// gaps.
func (c *counting) histogram() ([]annal.Bucket, error) {
	if len(c.buckets) == 0 {
		return nil, nil
	}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range c.buckets {
		first, last = min(first, i), max(last, i)
	}
	if last-first >= annal.MaxBuckets || last-first < 0 {
		return nil, annal.Invalid("interval", "the events span more than %d intervals; choose a longer interval or a shorter range", annal.MaxBuckets)
	}
	out := make([]annal.Bucket, 0, last-first+1)
	for i := first; i <= last; i++ {
		if b := c.buckets[i]; b != nil {
			out = append(out, *b)
		} else {
			out = append(out, annal.Bucket{Start: out[len(out)-1].Start.Add(c.agg.Interval)})
		}
	}
	return out, nil
}
