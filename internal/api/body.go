package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"annal"
)

// maxWindow bounds the memory that unpacking zstd takes.
const maxWindow = 8 << 20

// readBody returns the body unpacked. The receiver keeps it, so it is not
// pooled.
func (c *Call) readBody() ([]byte, error) {
	if err := checkMediaType(c.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	packed, err := c.readPacked()
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(strings.TrimSpace(c.Header.Get("Content-Encoding"))) {
	case "", "identity":
		_, err := c.take(c.s.works, roomOfBody(len(packed), bytes.Count(packed, []byte{'{'})))
		return packed, err
	case "gzip", "x-gzip":
		return c.unpack(packed, c.s.gunzip)
	case "zstd":
		return c.unpack(packed, c.s.unzstd)
	}
	c.w.Header().Set("Accept-Encoding", "gzip, zstd")
	return nil, &fault{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "Content-Encoding must be gzip, zstd or identity"}
}

var errTooLarge = &fault{
	status: http.StatusRequestEntityTooLarge, code: "payload_too_large",
	message: fmt.Sprintf("a body may have %d bytes before and after unpacking; send several", MaxBody),
}

// checkMediaType takes JSON by any of its names. A body without a name is
// taken for JSON too.
func checkMediaType(header string) error {
	if header == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	if err == nil && (charset == "" || charset == "utf-8" || charset == "utf8") {
		switch mediaType {
		case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
			return nil
		}
	}
	return &fault{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		message: "Content-Type must be application/json or application/x-ndjson, in UTF-8",
	}
}

// readPacked reads the body as it was sent, for which it takes room.
func (c *Call) readPacked() ([]byte, error) {
	if c.ContentLength > MaxBody {
		return nil, errTooLarge
	}
	size := c.ContentLength
	if size < 0 {
		size = unsaidBody
	}
	if _, err := c.take(c.s.bodies, size); err != nil {
		return nil, err
	}
	g := &guest{owner: c.owner(), n: size, since: time.Now(), end: c.hurry}
	c.s.bodies.enter(g)
	packed, err := readAll(c.Body, size, func(more int) bool {
		return c.have(c.s.bodies, int64(more), c.s.bodies.growGuest(g, int64(more)))
	})
	if c.s.bodies.exit(g) {
		return nil, annal.ErrBusy
	}
	return packed, err
}

// unsaidBody is the room for bodies whose size is not announced to begin with.
const unsaidBody = 64 << 10

// What is reckoned with when bodies are unpacked.
const (
	usualPacking  = 8       // times that JSON shrinks
	likelyPacking = 16      // times, about the most
	leastUnpacked = 1 << 20 // bytes
)

// unpack unpacks a body, for which it takes room, as well as for its events: first
// for as many as there may be, then for those that there are.
func (c *Call) unpack(packed []byte, how func([]byte, int64, func(int) bool) ([]byte, error)) ([]byte, error) {
	size := min(max(len(packed)*likelyPacking, leastUnpacked), MaxBody)
	had, err := c.take(c.s.works, roomOfBody(size, size/leastEvent))
	if err != nil {
		return nil, err
	}
	left := size - len(packed)*usualPacking
	body, err := how(packed, int64(min(len(packed)*usualPacking, MaxBody)), func(more int) bool {
		left -= more
		return left >= 0 || c.grow(c.s.works, 2*int64(more))
	})
	if err != nil {
		return nil, err
	}
	if need := roomOfBody(len(body), bytes.Count(body, []byte{'{'})); need <= had {
		c.giveBack(c.s.works, had-need)
	} else if !c.grow(c.s.works, need-had) {
		return nil, annal.ErrBusy
	}
	return body, nil
}

// What is known of events before they are read.
const (
	leastEvent = 32     // bytes of the shortest, about
	mostEvents = 10_000 // of a body; one with more is refused
)

// roomOfBody bounds what a body of that size with so many objects takes, itself,
// encoded and as events.
func roomOfBody(size, objects int) int64 {
	events := min(size/leastEvent, objects, mostEvents)
	return 2*int64(size) + int64(events)*int64(unsafe.Sizeof(annal.Event{}))
}

// readAll reads r, which may announce its size, up to MaxBody. It asks before it
// takes more memory.
func readAll(r io.Reader, size int64, grow func(more int) bool) ([]byte, error) {
	b := make([]byte, 0, size+1)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > MaxBody:
			return nil, errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, bodyReadError(err)
		case len(b) == cap(b):
			if !grow(len(b)) {
				return nil, annal.ErrBusy
			}
			b = slices.Grow(b, len(b))
		}
	}
}

func bodyReadError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return bodyError{annal.Invalid("", "the body could not be read to its end")}
}

func (s *server) gunzip(packed []byte, size int64, grow func(int) bool) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, badPacking("gzip")
	}
	return unpacked(zr, "gzip", size, grow)
}

func (s *server) unzstd(packed []byte, size int64, grow func(int) bool) ([]byte, error) {
	zr, ok := s.zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		zr, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("make a zstd decoder: %w", err)
		}
	}
	defer func() {
		_ = zr.Reset(nil) // lets go of the body; cannot fail
		s.zstds.Put(zr)
	}()
	if err := zr.Reset(bytes.NewReader(packed)); err != nil {
		return nil, badPacking("zstd")
	}
	return unpacked(zr, "zstd", size, grow)
}

// unpacked reads all of r, which may have that size.
func unpacked(r io.Reader, how string, size int64, grow func(int) bool) ([]byte, error) {
	b, err := readAll(r, size, grow)
	if err != nil && !errors.Is(err, errTooLarge) && !errors.Is(err, annal.ErrBusy) {
		return nil, badPacking(how)
	}
	return b, err
}

func badPacking(how string) error {
	return bodyError{annal.Invalid("", "the body is not whole and valid %s", how)}
}
