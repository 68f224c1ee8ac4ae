package vfs

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// An inode is the contents of a file, whatever its name.
type inode struct {
	data    []byte   // as programs see it
	durable []byte   // as the last Sync left it
	pending []change // since then, oldest first
}

// A change is a write at off, or, when cut is set, a new size of off bytes.
type change struct {
	off  int64
	data []byte
	cut  bool
}

func (n *inode) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	c := change{off: off, data: slices.Clone(p)}
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

func (n *inode) truncate(size int64) {
	if size == int64(len(n.data)) {
		return
	}
	c := change{off: size, cut: true}
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

func (n *inode) sync() {
	for _, c := range n.pending {
		n.durable = c.apply(n.durable)
	}
	n.pending = nil
}

// settle decides the fate of every pending change: kept, lost, or torn.
func (n *inode) settle(rng *rand.Rand) {
	fate := rng.IntN(4) // 0: all lost; 1: all kept; else each on its own
	for _, c := range n.pending {
		if fate == 1 || fate > 1 && rng.IntN(3) == 0 {
			n.durable = c.apply(n.durable)
		} else if fate > 1 && rng.IntN(2) == 0 {
			n.durable = c.tear(n.durable, rng)
		}
	}
	n.pending = nil
}

// apply returns b with the change made.
func (c change) apply(b []byte) []byte {
	if c.cut {
		return resize(b, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[c.off:], c.data)
	return b
}

// tear returns b with some sectors of the change made: those before some point,
// or any. The file may have grown to its new size all the same.
func (c change) tear(b []byte, rng *rand.Rand) []byte {
	if c.cut {
		return b
	}
	prefix, keep := rng.IntN(2) == 0, true
	for at := 0; at < len(c.data); {
		end := min(at+sector-int((c.off+int64(at))%sector), len(c.data))
		if prefix {
			keep = keep && rng.IntN(8) > 0
		} else {
			keep = rng.IntN(2) == 0
		}
		if keep {
			b = change{off: c.off + int64(at), data: c.data[at:end]}.apply(b)
		}
		at = end
	}
	if end := c.off + int64(len(c.data)); rng.IntN(2) == 0 && end > int64(len(b)) {
		b = resize(b, end)
	}
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return slices.Clip(b[:size]) // growing again must find zeros
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// A nameChange is a create (no from), a rename, or a remove (no to).
type nameChange struct {
	from, to string
	node     *inode
}

func (c nameChange) touches(dir string) bool {
	return c.from != "" && path.Dir(c.from) == dir || c.to != "" && path.Dir(c.to) == dir
}

// apply makes the change in a table of names. A file has one name: when an
// earlier rename was lost, this one takes the file from where it still is.
func (c nameChange) apply(names map[string]*inode) {
	maps.DeleteFunc(names, func(_ string, n *inode) bool { return n == c.node })
	if c.to != "" {
		names[c.to] = c.node
	}
}

// Crash returns the disk as a power cut at this moment would leave it. Synced
// bytes and names are there. Every other write is kept, lost, or torn at 512
// bytes; every other change of a name is kept or lost, in order or not. The
// disk itself goes on, so that one moment can be crashed many times.
func (m *Mem) Crash() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem(m.rng.Uint64())
	after.dirs = maps.Clone(m.dirs)
	names := m.survivingNames()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		survivor := &inode{durable: slices.Clone(n.durable), pending: slices.Clone(n.pending)}
		survivor.settle(m.rng)
		survivor.data = slices.Clone(survivor.durable)
		after.names[name], after.durable[name] = survivor, survivor
	}
	return after
}

// survivingNames decides which pending changes of names a crash keeps: all of
// them up to some point, or any. The caller holds mu.
func (m *Mem) survivingNames() map[string]*inode {
	names := maps.Clone(m.durable)
	ordered, upTo := m.rng.IntN(2) == 0, m.rng.IntN(len(m.pending)+1)
	for i, c := range m.pending {
		if ordered && i < upTo || !ordered && m.rng.IntN(2) == 0 {
			c.apply(names)
		}
	}
	return names
}
