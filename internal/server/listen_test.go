package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// oneConn is a listener with a single connection to accept.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l oneConn) Accept() (net.Conn, error) { return l.conn, nil }

func TestReadersWhoTakeNothingAreCutOff(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	l := newLimitListener(oneConn{conn: ours}, 1, 50*time.Millisecond)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	go func() {
		b := make([]byte, 1)
		for range 3 {
			time.Sleep(30 * time.Millisecond) // slow, but it reads: in all longer than the limit
			_, _ = theirs.Read(b)
		}
	}()
	for i := range 3 {
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Errorf("piece %d: %v", i, err)
		}
	}
}
