package api

import (
	"slices"
	"sync"
)

// places are so many that owners share. Anybody may have all of them while nobody
// else wants any. When none is free, who has most loses one to an owner who has
// fewer.
type places struct {
	mu    sync.Mutex
	free  int
	taken map[string][]*place // by owner, the newest last
}

// A place is taken by one tail.
type place struct{ end func() }

func newPlaces(n int) *places { return &places{free: n, taken: map[string][]*place{}} }

// enter takes a place for owner, if there is one, until leave. Before that, end may
// be called to have the owner leave early.
func (p *places) enter(owner string, end func()) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == 0 && !p.evict(owner) {
		return nil, false
	}
	p.free--
	mine := &place{end}
	p.taken[owner] = append(p.taken[owner], mine)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.remove(owner, mine)
	}, true
}

// evict takes a place from who has most, if owner would not have most then; the
// caller holds mu.
func (p *places) evict(owner string) bool {
	most := owner
	for other, has := range p.taken {
		if len(has) > len(p.taken[most]) {
			most = other
		}
	}
	has := p.taken[most]
	if len(has) <= len(p.taken[owner])+1 {
		return false
	}
	newest := has[len(has)-1]
	newest.end()
	p.remove(most, newest)
	return true
}

// remove frees a place, unless it was taken away; the caller holds mu.
func (p *places) remove(owner string, x *place) {
	i := slices.Index(p.taken[owner], x)
	if i < 0 {
		return
	}
	p.free++
	if p.taken[owner] = slices.Delete(p.taken[owner], i, i+1); len(p.taken[owner]) == 0 {
		delete(p.taken, owner)
	}
}
