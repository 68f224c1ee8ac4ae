package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"annal/client"
)

// Limits of the HTTP client.
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 2 * time.Minute
	readBuffer     = 256 << 10
	maxErrorBody   = 400 // bytes of a refusal that an error quotes
)

// A target is the server under test, as requests spell it.
type target struct {
	server string // as it was given
	addr   string
	secure bool
	host   string
	token  string
}

func newTarget(server, token string) (target, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return target{}, fmt.Errorf("server %q: not an http or https address", server)
	}
	t := target{server: server, addr: u.Host, secure: u.Scheme == "https", host: u.Host, token: token}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[t.secure])
	}
	return t, nil
}

// appendHead appends what precedes the body of a request: type is the media
// type of the body or, for a request without one, of the answer wanted.
func (t *target) appendHead(b []byte, method, path, tenant, mediaType string, length int) []byte {
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(b, t.host...)
	b = append(append(b, "\r\nAuthorization: Bearer "...), t.token...)
	if tenant != "" {
		b = append(append(b, "\r\nX-Tenant-ID: "...), tenant...)
	}
	if method == "GET" {
		b = append(append(b, "\r\nAccept: "...), mediaType...)
		return append(b, "\r\n\r\n"...)
	}
	b = append(append(b, "\r\nContent-Type: "...), mediaType...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(length), 10)
	return append(b, "\r\n\r\n"...)
}

// A wire is one keep-alive HTTP/1.1 connection. It does only what the
// benchmark needs, so that the client takes little of the machine it shares
// with the server.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte // of the last answer
	stop func() bool
}

// dial connects. That it cannot, and not because ctx ended, is a
// [client.UnreachableError].
func (t *target) dial(ctx context.Context) (*wire, error) {
	conn, err := t.connect(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, &client.UnreachableError{Server: t.server, Err: err}
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, readBuffer)}
	w.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return w, nil
}

// connect opens a connection for requests, with TLS if that is what the server
// speaks.
func (t *target) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil || !t.secure {
		return conn, err
	}
	host, _, _ := net.SplitHostPort(t.addr)
	secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

func (w *wire) close() {
	w.stop()
	w.conn.Close()
}

// do sends one request and returns the body of its answer, which is valid
// until the next. Any status but 2xx is an error.
func (w *wire) do(request []byte) ([]byte, error) {
	w.body = w.body[:0]
	err := w.stream(request, func(part []byte) error {
		w.body = append(w.body, part...)
		return nil
	})
	return w.body, err
}

// stream sends one request and hands on the body of its answer in parts.
func (w *wire) stream(request []byte, sink func([]byte) error) error {
	if err := w.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	h, err := w.readHead()
	if err != nil {
		return err
	}
	if h.status/100 == 2 {
		return w.readBody(h, sink)
	}
	var said []byte
	err = w.readBody(h, func(part []byte) error {
		said = append(said, part[:min(len(part), maxErrorBody-min(len(said), maxErrorBody))]...)
		return nil
	})
	return errors.Join(&refusedError{status: h.status, body: string(said)}, err)
}

// A refusedError is an answer that is no success.
type refusedError struct {
	status int
	body   string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("the server answered %d: %s", e.status, e.body)
}

// Unwrap tells of a denial as a [client.Error].
func (e *refusedError) Unwrap() error {
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return &client.Error{Status: e.status, Detail: e.body}
	}
	return nil
}

type responseHead struct {
	status  int
	length  int // -1: chunked or until the connection closes
	chunked bool
}

func (w *wire) readHead() (responseHead, error) {
	h := responseHead{length: -1}
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return h, fmt.Errorf("%q is no HTTP status line", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, fmt.Errorf("%q is no HTTP status line", line)
	}
	for {
		line, err = w.in.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, nil
		}
		if err := h.header(line); err != nil {
			return h, err
		}
	}
}

func (h *responseHead) header(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no content length", value)
		}
		h.length = n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		h.chunked = bytes.EqualFold(value, []byte("chunked"))
	}
	return nil
}

func (w *wire) readBody(h responseHead, sink func([]byte) error) error {
	switch {
	case h.status == 204 || h.status == 304:
		return nil
	case h.chunked:
		return w.readChunks(sink)
	case h.length >= 0:
		return w.readN(h.length, sink)
	}
	return errors.New("the answer has neither a length nor chunks")
}

func (w *wire) readChunks(sink func([]byte) error) error {
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return fmt.Errorf("%q is no chunk size", size)
		}
		if n == 0 {
			_, err := w.in.ReadSlice('\n') // no trailers are asked for
			return err
		}
		if err := w.readN(int(n), sink); err != nil {
			return err
		}
		if _, err := w.in.Discard(len("\r\n")); err != nil {
			return err
		}
	}
}

func (w *wire) readN(n int, sink func([]byte) error) error {
	for n > 0 {
		if _, err := w.in.Peek(1); err != nil {
			return err
		}
		part, _ := w.in.Peek(min(n, w.in.Buffered()))
		if err := sink(part); err != nil {
			return err
		}
		n -= len(part)
		if _, err := w.in.Discard(len(part)); err != nil {
			return err
		}
	}
	return nil
}
