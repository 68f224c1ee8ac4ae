package client

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"annal/internal/corpus"
)

// events reads a stream of server-sent events to where it breaks off.
func events(t *testing.T, stream string) (data []string, last string) {
	t.Helper()
	tail := tail{fn: func(event json.RawMessage) error {
		data = append(data, string(event))
		return nil
	}}
	if err := tail.read(strings.NewReader(stream), func() {}); err != nil {
		t.Fatalf("%q: %v", stream, err)
	}
	return data, tail.last
}

// slowly reads a stream as the HTML standard has it, with line feeds alone.
func slowly(stream string) (data []string, last string) {
	for {
		event, rest, whole := strings.Cut("\n"+stream, "\n\n")
		if !whole {
			return data, last
		}
		var texts []string
		for _, line := range strings.Split(event, "\n") {
			name, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimPrefix(value, " "); {
			case name == "data":
				texts = append(texts, value)
			case name == "id" && value != "":
				last = value
			case name == "id":
				last = "" // none of ours is empty
			}
		}
		if text := strings.Join(texts, "\n"); text != "" {
			data = append(data, text)
		}
		stream = rest
	}
}

// FuzzTail holds that a stream is read as the standard says, and that wherever
// it breaks off, what was read by then is the beginning of what would have been
// read: no event is half, and none is missing that the last id stands behind.
func FuzzTail(f *testing.F) {
	corpus.Seed(f)
	f.Add("id: 7\ndata: {\"a\":1}\n\n: heartbeat\n\nid: 8\nevent: x\ndata: {\ndata: }\n\n", uint64(20))
	f.Add("data:a\nid\n\ndata\n\n\nid:9\n", uint64(5))
	f.Add("data\ndata:x\ndata\n\n", uint64(9))
	f.Fuzz(func(t *testing.T, stream string, cut uint64) {
		if strings.ContainsAny(stream, "\r") {
			return // our server sends none
		}
		data, last := events(t, stream)
		wantData, wantLast := slowly(stream)
		if !slices.Equal(data, wantData) || last != wantLast && wantLast != "" {
			t.Errorf("%q reads as %q behind %q, want %q behind %q", stream, data, last, wantData, wantLast)
		}
		part := stream[:cut%uint64(len(stream)+1)]
		if begun, _ := events(t, part); len(begun) > len(data) || !slices.Equal(begun, data[:len(begun)]) {
			t.Errorf("%q reads as %q, and cut to %q as %q", stream, data, part, begun)
		}
	})
}
