package wal

import (
	"fmt"
	"path"
	"slices"
)

// Damage is a loss of acknowledged records, or of a file's header.
type Damage struct {
	File     string // name in the log's folder
	What     string // what is wrong
	From, To int64  // the bytes From ≤ offset < To that cannot be read
	// The positions LostFrom ≤ p < LostTo that are lost; none when equal.
	LostFrom, LostTo uint64
	// Endless: it is the end of the log that is gone. Any number of positions from
	// LostTo on may have been given.
	Endless bool
}

// String says it in a line.
func (d Damage) String() string {
	s := d.File + ": " + d.What
	if d.From < d.To {
		s += fmt.Sprintf(", bytes %d to %d", d.From, d.To)
	}
	if d.LostFrom < d.LostTo {
		s += fmt.Sprintf(", positions %d to %d are lost", d.LostFrom, d.LostTo-1)
	}
	if d.Endless {
		s += fmt.Sprintf(", events from position %d on may be lost", d.LostTo)
	}
	return s
}

// Check reads the whole log, of which positions ≥ from are still needed, and
// reports what Open would. It writes nothing. No process may have the log open.
func Check(cfg Config, from uint64) ([]Damage, error) {
	cfg.defaults()
	d, err := scan(&cfg)
	if err != nil {
		return nil, err
	}
	p := replayer{cfg: &cfg, from: from, emit: func(Record) error { return nil }}
	err = p.run(d)
	return p.damages, err
}

// Intact returns the position to which the log holds every event from a position
// on; that position itself when it does not hold the first.
func Intact(cfg Config, from uint64) (to uint64, err error) {
	cfg.defaults()
	d, err := scan(&cfg)
	if err != nil {
		return from, err
	}
	p := replayer{cfg: &cfg, from: from, emit: func(Record) error { return nil }}
	if err := p.run(d); err != nil {
		return from, err
	}
	to = max(from, p.position)
	for _, lost := range p.damages {
		if lost.LostFrom < lost.LostTo {
			to = min(to, lost.LostFrom)
		}
	}
	return to, nil
}

// A replayer walks through the files of a log.
type replayer struct {
	cfg     *Config
	from    uint64
	emit    func(Record) error
	damages []Damage

	prev     *logFile // the file before; nil at the first that is read
	position uint64   // expected next
	number   uint64   // expected next
	loose    bool     // the number may be higher: the header that says it is damaged
	buf      []byte   // of the readers
}

func (p *replayer) run(d *folder) error {
	bounds := d.bounds()
	for i, f := range d.files {
		if i+1 < len(d.files) && bounds[i].first < p.from {
			f.end = bounds[i].first + 1 // a record without events may stand there
			continue
		}
		if err := p.file(f, bounds[i]); err != nil {
			return fmt.Errorf("replay %s: %w", f.name, err)
		}
		p.prev = f
	}
	if f := p.prev; f != nil && f.ended {
		at := max(p.position, p.from)
		p.found(f, "the file that was begun after this one is missing", f.tail, f.size, at, at)
	}
	for _, f := range slices.Concat(d.files, d.copies) {
		p.whole(f)
	}
	if f := p.prev; f != nil && (f.ended || f.size < f.length || f.damaged && !f.proved) {
		p.endless(f)
	}
	return nil
}

// endless notes that the damage to the newest file leaves open where the log
// ended.
func (p *replayer) endless(newest *logFile) {
	at := max(p.position, p.from)
	known := func(d Damage) bool { return d.File == path.Base(newest.name) && d.LostFrom == d.LostTo }
	if !slices.ContainsFunc(p.damages, known) {
		p.found(newest, "the file is cut short", newest.size, newest.length, at, at)
	}
	for i := range p.damages {
		if d := &p.damages[i]; known(*d) {
			d.LostFrom, d.LostTo, d.Endless = at, at, true
		}
	}
}

// whole names a file that is shorter than it was made, or elsewhere than it was
// put, unless its damage is known already.
func (p *replayer) whole(f *logFile) {
	at := max(f.first, p.from)
	switch {
	case slices.ContainsFunc(p.damages, func(d Damage) bool { return d.File == path.Base(f.name) }):
	case f.size < f.length:
		p.found(f, "the file is cut short", f.size, f.length, at, at)
	case f.strayed:
		p.found(f, "the file has the name of another, it is "+logName(f.first, f.epoch), 0, headerUsed, at, at)
	}
}

// file replays the acknowledged records of one file.
func (p *replayer) file(f *logFile, later bound) error {
	p.enter(f)
	h, err := p.cfg.FS.Open(f.name)
	if err != nil {
		return err
	}
	defer h.Close()
	r := &reader{codec: newCodec(p.cfg.LogID), file: h, size: f.size &^ (blockSize - 1), buf: p.buf[:0]}
	defer func() { p.buf = r.buf }()
	for off := int64(blockSize); off < r.size; {
		head, payload, n, err := r.record(off, func(h *frame) bool { return h.epoch == f.epoch && p.plausible(h, f.bad, off) })
		if err != nil {
			return err
		}
		if n > 0 && later.excludes(&head) {
			return nil
		}
		if n == 0 {
			if f.bad == 0 {
				f.bad = off
			}
			off += blockSize
			continue
		}
		if err := p.accept(f, &head, payload, off); err != nil || f.ended {
			return err
		}
		off += n
		f.tail = off
	}
	return nil
}

// enter begins a file: what it expects before its first record is missing when
// no file held it. A damaged header leaves the number unknown.
func (p *replayer) enter(f *logFile) {
	f.tail, f.end, p.loose = blockSize, f.first, f.damaged
	switch {
	case p.prev == nil && f.first > p.from:
		p.found(f, "the files before this one are missing", 0, 0, p.from, f.first)
	case p.prev != nil && (f.first > p.position || f.number > p.number && !f.damaged):
		p.found(p.prev, "the end of the file is missing", p.prev.tail, p.prev.size, p.position, f.first)
	}
	if f.damaged {
		at := max(f.first, p.from)
		p.found(f, "the file header is damaged", 0, blockSize, at, at)
	} else {
		p.number = f.number
	}
	p.position = max(p.position, f.first)
}

// plausible says whether a record may come next at off. After a bad block, at
// bad, records are missing: at most one for each block since.
func (p *replayer) plausible(h *frame, bad, off int64) bool {
	switch {
	case p.loose:
		return h.number >= p.number && h.position >= p.position
	case bad == 0:
		return h.number == p.number && h.position == p.position
	}
	return h.number > p.number && h.number-p.number <= uint64(off-bad)/blockSize && h.position >= p.position
}

// accept takes a good record, and names the damage before it.
func (p *replayer) accept(f *logFile, h *frame, payload []byte, off int64) error {
	if f.bad > 0 {
		f.holed = true
		p.found(f, "records are damaged", f.bad, off, p.position, h.position)
	}
	if h.magic == endMagic {
		f.bad, f.ended = 0, true
		return nil
	}
	f.bad, f.last, f.proved, p.loose = 0, off, h.magic == markMagic, false
	p.number, p.position = h.number+1, h.position+uint64(h.count)
	if f.proved {
		return nil
	}
	f.end = p.position
	if h.count == 0 {
		f.end++
	}
	if f.end <= p.from {
		return nil
	}
	return p.emit(Record{Position: h.position, Count: h.count, Received: h.received, Payload: payload})
}

// found notes damage, unless nobody needs what was lost.
func (p *replayer) found(f *logFile, what string, from, to int64, lostFrom, lostTo uint64) {
	if lostTo < p.from || lostTo == p.from && lostFrom < lostTo {
		return
	}
	p.damages = append(p.damages, Damage{
		File: path.Base(f.name), What: what, From: from, To: to,
		LostFrom: min(max(lostFrom, p.from), lostTo), LostTo: lostTo,
	})
}
