package annaltest

import (
	"net"
	"sync"
)

// backlog is how many connections of [Pipes] may wait to be accepted.
const backlog = 16

// Pipes is a listener of connections in memory. In a bubble of testing/synctest
// it holds a server to its deadlines exactly, without waiting for them. Nothing
// is buffered: whoever writes waits for a reader.
type Pipes struct {
	waiting chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// NewPipes makes a listener that nobody has dialled yet.
func NewPipes() *Pipes {
	return &Pipes{waiting: make(chan net.Conn, backlog), done: make(chan struct{})}
}

// Dial connects, as a kernel does: before the connection is accepted.
func (p *Pipes) Dial() net.Conn {
	ours, theirs := net.Pipe()
	p.waiting <- theirs
	return ours
}

// Accept returns the next connection.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections stay.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is no address that can be dialled.
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }
