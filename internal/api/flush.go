package api

import (
	"net/http"
	"time"

	"annal"
)

// flush sends what was gathered and waits for a slow reader only so long.
func (c *Call) flush() error {
	if err := c.passed(); err != nil {
		return err
	}
	c.begin()
	if err := c.write(c.out.b); err != nil {
		return err
	}
	c.out.b = c.out.b[:0]
	return nil
}

// finish sends the end of a stream. What never became one is sent like any other
// answer.
func (c *Call) finish() error {
	if c.status == 0 {
		return nil
	}
	return c.flush()
}

// A passing is a piece of an answer that is being sent.
type passing struct {
	done chan struct{}
	err  error // once done is closed
	b    []byte
}

// pass sends what was gathered, if that is a chunk, while the caller gathers more.
// While the piece before is still on its way it has the caller's scan wait, which
// then holds up nobody: readers may be slow. Of pieces that large events have made
// large, one is in memory at a time.
func (c *Call) pass() error {
	if len(c.out.b) < streamChunk {
		return nil
	}
	if !c.answer(cap(c.out.b) + streamChunk) {
		return annal.ErrBusy
	}
	var spare []byte
	if p := c.passing; p != nil {
		select {
		case <-p.done:
		default:
			return &annal.Pause{Ready: p.done}
		}
		if p.err != nil {
			return p.err
		}
		if cap(p.b) <= largeChunk {
			spare = p.b[:0]
		}
	}
	if spare == nil {
		spare = c.s.buffer()
	}
	c.begin()
	p := &passing{done: make(chan struct{}), b: c.out.b}
	c.passing, c.out.b = p, spare
	go func() {
		defer close(p.done)
		p.err = c.write(p.b)
	}()
	if cap(p.b) > largeChunk {
		return &annal.Pause{Ready: p.done}
	}
	return nil
}

// passed waits until nothing is being sent any more.
func (c *Call) passed() error {
	p := c.passing
	if p == nil {
		return nil
	}
	<-p.done
	if c.passing = nil; p.err != nil {
		return p.err
	}
	c.s.recycle(p.b)
	return nil
}

// begin sends the header of a stream.
func (c *Call) begin() {
	if c.status == 0 {
		c.status = c.route.Status
		c.w.Header().Set("Content-Type", c.mediaType)
		c.tellMissing(c.status)
		c.w.WriteHeader(c.status)
	}
}

// write sends b. Its deadline stays: net/http lifts it before the next request of
// the connection, and here each piece sets its own.
func (c *Call) write(b []byte) error {
	control := http.NewResponseController(c.w)
	// The deadline is one of the network, so it goes by the real clock. Test
	// recorders know of no deadlines.
	_ = control.SetWriteDeadline(time.Now().Add(c.s.WriteStall))
	if _, err := c.w.Write(b); err != nil {
		return goneError{err}
	}
	if err := control.Flush(); err != nil {
		return goneError{err}
	}
	return nil
}
